//! Values and rows: the three types both engines share. Any other storage class in a row is a fault. SQLite's type affinity would otherwise
//! change a value in silence.

use crate::error::Fault;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Null,
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The names of a statement's columns: worked out once for each statement, and shared by all rows.
#[derive(Debug)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// A name that stands twice names nothing: reading it must not give one of two values by chance.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        for at in 0..names.len() {
            let (before, own) = names.split_at_mut(at);
            if let Some(twin) = before.iter_mut().find(|name| **name == own[0]) {
                twin.clear();
                own[0].clear();
            }
        }
        Self(names)
    }
}

/// One row of an answer. A column is read by its name in the SELECT.
#[derive(Clone, Debug)]
pub struct Row {
    values: Vec<Value>,
    columns: Arc<Columns>,
}

impl Row {
    pub(super) fn new(values: Vec<Value>, columns: &Arc<Columns>) -> Self {
        Self { values, columns: Arc::clone(columns) }
    }

    pub(super) fn into_values(self) -> Vec<Value> {
        self.values
    }

    fn value(&self, column: &str) -> Result<&Value, Fault> {
        let at = self.columns.0.iter().position(|name| name == column && !name.is_empty());
        at.and_then(|at| self.values.get(at)).ok_or_else(|| Fault::new(format!("a row has no column {column:?}")))
    }

    pub fn int(&self, column: &str) -> Result<i64, Fault> {
        match self.value(column)? {
            Value::Int(number) => Ok(*number),
            other => Err(wrong(column, "BIGINT", other)),
        }
    }

    pub fn text(&self, column: &str) -> Result<&str, Fault> {
        match self.value(column)? {
            Value::Text(text) => Ok(text),
            other => Err(wrong(column, "TEXT", other)),
        }
    }

    pub fn bytes(&self, column: &str) -> Result<&[u8], Fault> {
        match self.value(column)? {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(wrong(column, "BYTEA", other)),
        }
    }

    /// Bytes of a fixed length, such as an id.
    pub fn array<const N: usize>(&self, column: &str) -> Result<[u8; N], Fault> {
        let bytes = self.bytes(column)?;
        bytes.try_into().map_err(|_| Fault::new(format!("column {column:?} of a row has {} bytes, not {N}", bytes.len())))
    }

    pub fn opt_text(&self, column: &str) -> Result<Option<&str>, Fault> {
        match self.value(column)? {
            Value::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    pub fn opt_bytes(&self, column: &str) -> Result<Option<&[u8]>, Fault> {
        match self.value(column)? {
            Value::Null => Ok(None),
            _ => self.bytes(column).map(Some),
        }
    }

    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, Fault> {
        match self.value(column)? {
            Value::Null => Ok(None),
            _ => self.int(column).map(Some),
        }
    }
}

fn wrong(column: &str, wanted: &str, found: &Value) -> Fault {
    let found = match found {
        Value::Int(_) => "BIGINT",
        Value::Text(_) => "TEXT",
        Value::Bytes(_) => "BYTEA",
        Value::Null => "NULL",
    };
    Fault::new(format!("column {column:?} of a row is {found}, not {wanted}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_column_is_read_by_its_name_and_a_name_that_stands_twice_names_nothing() {
        let columns = Arc::new(Columns::new(["id", "state", "state", "used_ms"]));
        let row = Row::new(vec![Value::Bytes(vec![1; 16]), "active".into(), "ended".into(), 7.into()], &columns);
        assert_eq!((row.array::<16>("id").unwrap(), row.int("used_ms").unwrap()), ([1; 16], 7));
        assert!(row.text("state").is_err());
        assert!(row.text("State").is_err());
        assert!(row.text("").is_err(), "what stands twice has no other name");
        assert!(row.array::<15>("id").is_err());
        assert!(row.text("used_ms").is_err());
    }
}
