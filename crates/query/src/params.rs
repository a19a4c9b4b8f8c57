//! The parameters of a statement: `$1`, `$name` and `?`. Values come beside the text and are bound
//! to the plan, so that nothing in them is read as SQL.
//!
//! Placeholders are numbered while they are tokens, and values are checked against the types that
//! the plan needs in their places.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::QueryError;

mod value;

pub use self::value::Param;

/// Most parameters of one statement.
const PARAMS_MAX: usize = 10_000;
/// What a statement may write.
const WRITTEN: &str = "parameters are written $1, $name or ?";

/// The values of a statement's parameters. Each must be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// Those of `$1`, `$2` and so on, or of each `?` in turn.
    pub positional: Vec<Param>,
    /// Those of `$name`.
    pub named: BTreeMap<String, Param>,
}

/// A value with the parameter as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    written: String,
    value: Param,
}

/// The values of all placeholders, by what stands in the statement since they were numbered: `$1`.
pub(crate) type Bound = BTreeMap<String, Slot>;

impl Params {
    /// Reads the values that a program gives: a list of positional ones, or an object of named ones.
    ///
    /// # Errors
    /// [`QueryError::Param`] names the value that can be none.
    pub fn from_json(values: &serde_json::Value) -> Result<Self, QueryError> {
        let mut params = Self::default();
        match values {
            serde_json::Value::Null => {}
            serde_json::Value::Array(list) => {
                for (value, number) in list.iter().zip(1..) {
                    params.positional.push(Param::from_json(&format!("${number}"), value)?);
                }
            }
            serde_json::Value::Object(object) => {
                for (name, value) in object {
                    let param = Param::from_json(&format!("${name}"), value)?;
                    params.named.insert(name.clone(), param);
                }
            }
            _ => return Err(wrong("values", "they are a list, or an object of names")),
        }
        Ok(params)
    }

    /// Takes in one value as a person writes it: `VALUE` is the next positional one, `NAME=VALUE` a
    /// named one. A value is read as JSON where it is some, and is a text where it is not.
    ///
    /// # Errors
    /// [`QueryError::Param`] for JSON that is no single value, and for a name that has one already.
    pub fn push_text(&mut self, text: &str) -> Result<(), QueryError> {
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        let (name, value) = match named {
            Some((name, value)) => (format!("${name}"), value),
            None => (format!("${}", self.positional.len() + 1), text),
        };
        let param = match serde_json::from_str(value) {
            Ok(json) => Param::from_json(&name, &json)?,
            Err(_) => Param::Text(value.to_owned()),
        };
        match named {
            None => self.positional.push(param),
            Some((bare, _)) if self.named.contains_key(bare) => {
                return Err(wrong(&name, "it is given twice"));
            }
            Some((bare, _)) => {
                self.named.insert(bare.to_owned(), param);
            }
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn wrong(name: &str, message: &str) -> QueryError {
    QueryError::Param { name: name.to_owned(), message: message.to_owned() }
}

/// Numbers the placeholders among the tokens of a statement and returns their values.
///
/// # Errors
/// `Param` for a placeholder without a value and for a value without a placeholder.
pub(crate) fn numbered(tokens: &mut [TokenWithSpan], params: &Params) -> Result<Bound, QueryError> {
    let mut numbering = Numbering { params, bound: Bound::new(), marks: 0, has_numbers: false };
    for token in tokens {
        if let Token::Placeholder(text) = &mut token.token {
            *text = numbering.number(text)?;
        }
    }
    numbering.finish()
}

struct Numbering<'a> {
    params: &'a Params,
    bound: Bound,
    /// How many `?` there were.
    marks: usize,
    has_numbers: bool,
}

impl Numbering<'_> {
    /// Returns what takes the place of a placeholder.
    fn number(&mut self, written: &str) -> Result<String, QueryError> {
        let Some(name) = written.strip_prefix('$') else {
            if written != "?" {
                return Err(wrong(written, WRITTEN));
            }
            self.marks += 1;
            return self.positional(self.marks, &format!("? number {}", self.marks));
        };
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            self.has_numbers = true;
            let number = name.parse().ok().filter(|number| (1..=PARAMS_MAX).contains(number));
            let Some(number) = number else {
                return Err(wrong(written, &format!("numbers go from 1 to {PARAMS_MAX}")));
            };
            return self.positional(number, written);
        }
        let place = self.params.named.keys().position(|known| known == name);
        let value = self.params.named.get(name);
        let (Some(place), Some(value)) = (place, value) else {
            return Err(missing(written));
        };
        let number = self.params.positional.len() + 1 + place;
        Ok(self.bind(number, written, value.clone()))
    }

    fn positional(&mut self, number: usize, written: &str) -> Result<String, QueryError> {
        match self.params.positional.get(number - 1) {
            Some(value) => Ok(self.bind(number, written, value.clone())),
            None => Err(missing(written)),
        }
    }

    fn bind(&mut self, number: usize, written: &str, value: Param) -> String {
        let id = format!("${number}");
        self.bound.insert(id.clone(), Slot { written: written.to_owned(), value });
        id
    }

    /// Refuses values that nothing asks for.
    fn finish(self) -> Result<Bound, QueryError> {
        if self.marks > 0 && self.has_numbers {
            return Err(wrong("?", "the statement has numbered ones too; write all in one way"));
        }
        if self.params.positional.len() + self.params.named.len() > PARAMS_MAX {
            return Err(wrong("values", &format!("a statement takes at most {PARAMS_MAX}")));
        }
        let numbers = (1..).zip(&self.params.positional).map(|(number, _)| format!("${number}"));
        let names = self.params.named.keys().map(|name| format!("${name}"));
        let used: BTreeSet<&str> = self.bound.values().map(|slot| slot.written.as_str()).collect();
        let surplus = numbers
            .filter(|number| !self.bound.contains_key(number))
            .chain(names.filter(|name| !used.contains(name.as_str())))
            .next();
        match surplus {
            Some(name) => Err(wrong(&name, "it has a value, and the statement does not use it")),
            None => Ok(self.bound),
        }
    }
}

fn missing(written: &str) -> QueryError {
    wrong(written, "it has no value; give one beside the statement")
}

/// Puts values in the places of the parameters of a plan.
///
/// # Errors
/// `Param` for a value of another type than its place needs.
pub(crate) fn bind(plan: LogicalPlan, bound: &Bound) -> Result<LogicalPlan, QueryError> {
    let mut kinds = Kinds::new();
    plan.apply_with_subqueries(|node| {
        // How many rows is a whole number, which the planner does not infer.
        let usual = matches!(node, LogicalPlan::Limit(_)).then_some(DataType::Int64);
        node.apply_expressions(|expr| {
            note(expr, usual.as_ref(), &mut kinds)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    let values = scalars(&kinds, bound)?;
    if values.is_empty() {
        return Ok(plan);
    }
    let values: Vec<(String, ScalarValue)> = values
        .into_iter()
        .map(|(id, value)| (id.trim_start_matches('$').to_owned(), value))
        .collect();
    Ok(plan.with_param_values(values)?)
}

/// Puts values in the places of the parameters of an expression over columns of `schema`.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_expr(expr: Expr, schema: &DFSchema, bound: &Bound) -> Result<Expr, QueryError> {
    let (expr, _) = expr.infer_placeholder_types(schema)?;
    let mut kinds = Kinds::new();
    note(&expr, None, &mut kinds)?;
    let values = scalars(&kinds, bound)?;
    let replaced = expr.transform_up(|expr| match &expr {
        Expr::Placeholder(Placeholder { id, .. }) => Ok(match values.get(id) {
            Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
            None => Transformed::no(expr),
        }),
        _ => Ok(Transformed::no(expr)),
    });
    Ok(replaced?.data)
}

/// The types that placeholders must have, as far as they are known.
type Kinds = HashMap<String, Option<DataType>>;

/// Notes the types of the placeholders in an expression; `usual` is that of one that has none.
fn note(
    expr: &Expr,
    usual: Option<&DataType>,
    kinds: &mut Kinds,
) -> datafusion::common::Result<()> {
    expr.apply(|expr| {
        if let Expr::Placeholder(Placeholder { id, field }) = expr {
            let known = kinds.entry(id.clone()).or_default();
            if known.is_none() {
                let own = field.as_ref().map(|field| field.data_type());
                *known = own.or(usual).cloned();
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}

fn scalars(kinds: &Kinds, bound: &Bound) -> Result<HashMap<String, ScalarValue>, QueryError> {
    let odd = kinds.keys().find(|id| !bound.contains_key(*id));
    if let Some(id) = odd {
        return Err(wrong(id, WRITTEN));
    }
    let value = |(id, slot): (&String, &Slot)| {
        let kind = kinds.get(id).and_then(Option::as_ref);
        let scalar = slot.value.scalar(kind);
        let scalar = scalar.map_err(|message| wrong(&slot.written, &message))?;
        Ok((id.clone(), scalar))
    };
    bound.iter().map(value).collect()
}

#[cfg(test)]
mod tests;
