//! The eight tables of TPC-H, generated batch by batch.

use cidlake::BatchSource;
use cidlake::arrow::record_batch::RecordBatchReader;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

/// A table of TPC-H.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Region,
    Nation,
    Supplier,
    Customer,
    Part,
    PartSupp,
    Orders,
    LineItem,
}

impl Table {
    /// Every table, small ones first.
    pub(super) const ALL: [Self; 8] = [
        Self::Region,
        Self::Nation,
        Self::Supplier,
        Self::Customer,
        Self::Part,
        Self::PartSupp,
        Self::Orders,
        Self::LineItem,
    ];

    /// Returns the dataset's name, in a namespace where no table of the user's is overwritten.
    pub(super) fn dataset(self) -> &'static str {
        match self {
            Self::Region => "demo.region",
            Self::Nation => "demo.nation",
            Self::Supplier => "demo.supplier",
            Self::Customer => "demo.customer",
            Self::Part => "demo.part",
            Self::PartSupp => "demo.partsupp",
            Self::Orders => "demo.orders",
            Self::LineItem => "demo.lineitem",
        }
    }

    /// Returns the table's rows at a scale factor, `batch_rows` at a time.
    pub(super) fn source(self, scale: f64, batch_rows: usize) -> BatchSource {
        match self {
            Self::Region => {
                let rows = RegionArrow::new(RegionGenerator::new(scale, 1, 1));
                self.read(rows.with_batch_size(batch_rows), None)
            }
            Self::Nation => {
                let rows = NationArrow::new(NationGenerator::new(scale, 1, 1));
                self.read(rows.with_batch_size(batch_rows), None)
            }
            Self::Supplier => {
                let rows = SupplierArrow::new(SupplierGenerator::new(scale, 1, 1));
                let count = SupplierGenerator::calculate_row_count(scale, 1, 1);
                self.read(rows.with_batch_size(batch_rows), Some(count))
            }
            Self::Customer => {
                let rows = CustomerArrow::new(CustomerGenerator::new(scale, 1, 1));
                let count = CustomerGenerator::calculate_row_count(scale, 1, 1);
                self.read(rows.with_batch_size(batch_rows), Some(count))
            }
            Self::Part => {
                let rows = PartArrow::new(PartGenerator::new(scale, 1, 1));
                let count = PartGenerator::calculate_row_count(scale, 1, 1);
                self.read(rows.with_batch_size(batch_rows), Some(count))
            }
            // Four suppliers for each part; the generator counts the parts.
            Self::PartSupp => {
                let rows = PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1));
                let count = PartSuppGenerator::calculate_row_count(scale, 1, 1);
                self.read(rows.with_batch_size(batch_rows), Some(count * 4))
            }
            Self::Orders => {
                let rows = OrderArrow::new(OrderGenerator::new(scale, 1, 1));
                let count = OrderGenerator::calculate_row_count(scale, 1, 1);
                self.read(rows.with_batch_size(batch_rows), Some(count))
            }
            // How many lines an order has is known only when it is generated.
            Self::LineItem => {
                let rows = LineItemArrow::new(LineItemGenerator::new(scale, 1, 1));
                self.read(rows.with_batch_size(batch_rows), None)
            }
        }
    }

    fn read<R>(self, rows: R, count: Option<i64>) -> BatchSource
    where
        R: RecordBatchReader + Send + 'static,
    {
        BatchSource {
            label: self.dataset().to_owned(),
            schema: rows.schema(),
            batches: Box::new(rows),
            rows_total: count.and_then(|count| u64::try_from(count).ok()),
        }
    }
}

/// Makes the text from which all tables take their comments; it takes a moment, once.
pub(super) fn prepare() {
    let _holds_the_text = RegionGenerator::new(1.0, 1, 1);
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn tables_have_the_rows_that_were_announced() {
        for table in Table::ALL {
            let source = table.source(0.001, 100);
            let rows: usize = source.batches.map(|batch| batch.unwrap().num_rows()).sum();
            assert!(rows > 0, "{table:?}");
            if let Some(total) = source.rows_total {
                assert_eq!(rows as u64, total, "{table:?}");
            }
        }
    }
}
