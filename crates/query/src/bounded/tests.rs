//! Tests of bounded functions: what they refuse, and that they are the same besides.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, col, lit};

use super::function::Bounded;
use super::{BYTES_LEAST, bound};
use crate::error::QueryError;

/// All functions, as they are and bounded.
fn functions(memory_bytes_max: usize) -> Vec<(Arc<ScalarUDF>, Arc<ScalarUDF>)> {
    let mut builder = SessionStateBuilder::new().with_default_features();
    let plain = builder.scalar_functions().clone().unwrap();
    bound(builder.scalar_functions(), memory_bytes_max);
    let bounded = builder.scalar_functions().clone().unwrap();
    plain.into_iter().zip(bounded).collect()
}

fn bounded(name: &str, memory_bytes_max: usize) -> Arc<ScalarUDF> {
    let mut functions = functions(memory_bytes_max).into_iter();
    functions.find(|(plain, _)| plain.name() == name).unwrap().1
}

fn text(value: &str) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

fn whole(value: i64) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::Int64(Some(value)))
}

fn call(
    function: &ScalarUDF,
    args: Vec<ColumnarValue>,
    number_rows: usize,
) -> Result<ColumnarValue, DataFusionError> {
    let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
    let field = |kind: &DataType| -> FieldRef { Arc::new(Field::new("a", kind.clone(), true)) };
    function.invoke_with_args(ScalarFunctionArgs {
        arg_fields: types.iter().map(field).collect(),
        return_field: field(&function.return_type(&types)?),
        config_options: Arc::new(ConfigOptions::default()),
        args,
        number_rows,
    })
}

#[test]
fn what_grows_is_bounded_and_else_the_same() {
    let mut names = Vec::new();
    for (plain, bounded) in functions(0) {
        if !bounded.inner().is::<Bounded>() {
            assert_eq!(plain, bounded);
            continue;
        }
        names.push(plain.name().to_owned());
        assert_eq!(plain.name(), bounded.name());
        assert_eq!(plain.aliases(), bounded.aliases());
        assert_eq!(plain.signature(), bounded.signature());
        assert_eq!(plain.is_strict(), bounded.is_strict());
        assert_eq!(plain.short_circuits(), bounded.short_circuits());
        assert_eq!(plain.documentation().is_some(), bounded.documentation().is_some());
        assert_eq!(bounded, Arc::clone(&bounded));
        assert_ne!(plain, bounded);
    }
    names.sort();
    names.dedup();
    assert_eq!(
        names,
        [
            "array_append",
            "array_concat",
            "array_prepend",
            "array_repeat",
            "array_resize",
            "array_to_string",
            "concat",
            "concat_ws",
            "generate_series",
            "lpad",
            "range",
            "regexp_replace",
            "repeat",
            "replace",
            "rpad",
            "string_to_array",
            "translate",
        ]
    );
}

#[test]
fn a_call_makes_no_more_than_its_share() {
    for (function, args) in [
        ("repeat", vec![text("x"), whole(1_000_000_000)]),
        ("repeat", vec![text("x"), whole(i64::MAX)]),
        ("lpad", vec![text("x"), whole(2_000_000_000), text("ab")]),
        ("replace", vec![text(&"x".repeat(10_000)), text("x"), text(&"y".repeat(10_000))]),
    ] {
        match call(&bounded(function, 0), args, 1) {
            Err(DataFusionError::External(error)) => {
                let message = error.to_string();
                assert!(matches!(error.downcast_ref(), Some(QueryError::Resources { .. })));
                let most = BYTES_LEAST.to_string();
                assert!(message.contains(function) && message.contains(&most), "{message}");
            }
            other => panic!("{function}: {other:?}"),
        }
    }
    let twenty = vec![text("x"), whole(20 << 20)];
    assert!(call(&bounded("repeat", 64 << 20), twenty.clone(), 1).is_err());
    assert!(call(&bounded("repeat", 128 << 20), twenty, 1).is_ok());
}

#[test]
fn a_call_within_its_share_returns_what_it_did() {
    let Ok(ColumnarValue::Scalar(value)) =
        call(&bounded("repeat", 0), vec![text("ab"), whole(3)], 8_192)
    else {
        panic!("no constant")
    };
    assert_eq!(value, ScalarValue::from("ababab"));
}

#[test]
fn as_much_as_the_columns_hold_may_be_made_again() {
    let texts = StringArray::from(vec!["x".repeat(1 << 20); 20]);
    let texts = ColumnarValue::Array(Arc::new(texts));
    let made = call(&bounded("replace", 0), vec![texts.clone(), text("x"), text("y")], 20);
    assert!(made.is_ok());
    assert!(call(&bounded("replace", 0), vec![texts, text("x"), text("yy")], 20).is_err());
}

#[test]
fn what_a_call_is_simplified_to_stays_bounded() {
    let args = vec![col("a"), lit("b"), lit("c")];
    let simplified = bounded("concat", 0).simplify(args, &SimplifyContext::default()).unwrap();
    match simplified {
        ExprSimplifyResult::Simplified(Expr::ScalarFunction(ScalarFunction { func, args })) => {
            assert_eq!(args.len(), 2);
            assert!(func.inner().is::<Bounded>());
        }
        _ => panic!("not simplified to a call"),
    }
}
