"""cidlake: a content-addressed lake of tables.

Put a DataFrame in and get a CID, an IPFS address that anybody can verify; get it back by that CID or by
name, whole, by column, by filter or through SQL. Every version stays, and what did not change is shared.

Example:
    >>> import cidlake, pandas
    >>> lake = cidlake.Lake()
    >>> stored = lake.store(pandas.DataFrame({"n": [1, 2, 3]}), name="numbers")
    >>> lake.sql("SELECT sum(n) AS total FROM numbers").to_pylist()
    [{'total': 6}]
    >>> lake.get(stored.cid).to_pandas()["n"].tolist()
    [1, 2, 3]
    >>> lake.drop("numbers").name
    'numbers'
"""

from ._answers import (
    Added,
    Column,
    ColumnDifference,
    Dataset,
    Datasets,
    Difference,
    Dropped,
    Exported,
    Log,
    Part,
    Shown,
    Side,
    Stored,
    Upserted,
    Version,
)
from ._dicts import Found, Operation, Queued, WalStatus, Worked
from ._errors import (
    ConflictError,
    CorruptError,
    Error,
    InternalError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from ._lake import Lake
from ._native import VERSION as __version__
from ._result import Result

__all__ = [
    "Added",
    "Column",
    "ColumnDifference",
    "ConflictError",
    "CorruptError",
    "Dataset",
    "Datasets",
    "Difference",
    "Dropped",
    "Error",
    "Exported",
    "Found",
    "InternalError",
    "InvalidError",
    "Lake",
    "Log",
    "NotFoundError",
    "Operation",
    "Part",
    "Queued",
    "Result",
    "Shown",
    "Side",
    "Stored",
    "UnavailableError",
    "Upserted",
    "UsageError",
    "Version",
    "WalStatus",
    "Worked",
    "__version__",
]

# What users see is named by where they import it from.
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
del _name
