//! Values and rows: the three types both engines share. Any other storage class in a row is a fault, because SQLite's
//! type affinity would otherwise change a value in silence.

use crate::error::Fault;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Null,
}

impl From<i64> for Value {
    fn from(it: i64) -> Self {
        Self::Int(it)
    }
}
impl From<bool> for Value {
    fn from(it: bool) -> Self {
        Self::Int(i64::from(it))
    }
}
impl From<&str> for Value {
    fn from(it: &str) -> Self {
        Self::Text(it.to_owned())
    }
}
impl From<String> for Value {
    fn from(it: String) -> Self {
        Self::Text(it)
    }
}
impl From<Vec<u8>> for Value {
    fn from(it: Vec<u8>) -> Self {
        Self::Bytes(it)
    }
}
impl From<&[u8]> for Value {
    fn from(it: &[u8]) -> Self {
        Self::Bytes(it.to_vec())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer; columns by their place in the SELECT.
#[derive(Clone, Debug)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    fn at(&self, at: usize) -> Result<&Value, Fault> {
        self.0.get(at).ok_or_else(|| Fault::new(format!("a row has no column {at}")))
    }

    pub fn int(&self, at: usize) -> Result<i64, Fault> {
        match self.at(at)? {
            Value::Int(it) => Ok(*it),
            other => Err(wrong(at, "BIGINT", other)),
        }
    }

    pub fn text(&self, at: usize) -> Result<&str, Fault> {
        match self.at(at)? {
            Value::Text(it) => Ok(it),
            other => Err(wrong(at, "TEXT", other)),
        }
    }

    pub fn bytes(&self, at: usize) -> Result<&[u8], Fault> {
        match self.at(at)? {
            Value::Bytes(it) => Ok(it),
            other => Err(wrong(at, "BYTEA", other)),
        }
    }

    pub fn opt_text(&self, at: usize) -> Result<Option<&str>, Fault> {
        match self.at(at)? {
            Value::Null => Ok(None),
            _ => self.text(at).map(Some),
        }
    }

    pub fn opt_bytes(&self, at: usize) -> Result<Option<&[u8]>, Fault> {
        match self.at(at)? {
            Value::Null => Ok(None),
            _ => self.bytes(at).map(Some),
        }
    }

    pub fn opt_int(&self, at: usize) -> Result<Option<i64>, Fault> {
        match self.at(at)? {
            Value::Null => Ok(None),
            _ => self.int(at).map(Some),
        }
    }
}

fn wrong(at: usize, wanted: &str, found: &Value) -> Fault {
    let found = match found {
        Value::Int(_) => "BIGINT",
        Value::Text(_) => "TEXT",
        Value::Bytes(_) => "BYTEA",
        Value::Null => "NULL",
    };
    Fault::new(format!("column {at} of a row is {found}, not {wanted}"))
}
