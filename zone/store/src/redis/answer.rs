//! Reading what the server answers. Nothing is trusted to have the expected shape: what has not becomes [`Trouble::Odd`].

use redis::Value;

use super::trouble::Trouble;

fn odd(wanted: &str, found: &Value) -> Trouble {
    let kind = match found {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    Trouble::Odd { what: format!("{kind} instead of {wanted}") }
}

/// A list.
pub(super) fn list(value: Value) -> Result<Vec<Value>, Trouble> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(odd("a list", &other)),
    }
}

/// A small number.
pub(super) fn int(value: &Value) -> Result<i64, Trouble> {
    match value {
        Value::Int(number) => Ok(*number),
        other => Err(odd("a number", other)),
    }
}

/// Bytes, or nothing.
pub(super) fn maybe_bytes(value: Value) -> Result<Option<Vec<u8>>, Trouble> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        other => Err(odd("bytes", &other)),
    }
}

/// Bytes.
pub(super) fn bytes(value: Value) -> Result<Vec<u8>, Trouble> {
    maybe_bytes(value)?.ok_or_else(|| odd("bytes", &Value::Nil))
}

/// Text.
pub(super) fn text(value: Value) -> Result<String, Trouble> {
    String::from_utf8(bytes(value)?).map_err(|_| Trouble::Odd { what: "bytes instead of text".to_owned() })
}

/// Text of any origin, for a message; what is not UTF-8 is replaced.
pub(super) fn lossy(value: Value) -> Result<String, Trouble> {
    Ok(String::from_utf8_lossy(&bytes(value)?).into_owned())
}

/// A number that is written as text.
pub(super) fn number<T: std::str::FromStr>(value: Value) -> Result<T, Trouble> {
    if let Value::Int(number) = value {
        return number.to_string().parse().map_err(|_| odd("another number", &Value::Int(number)));
    }
    let text = text(value)?;
    text.parse().map_err(|_| Trouble::Odd { what: format!("\"{text}\" instead of a number") })
}

/// The next of a list that has a known length.
pub(super) fn next(values: &mut std::vec::IntoIter<Value>) -> Result<Value, Trouble> {
    values.next().ok_or_else(|| Trouble::Odd { what: "a list that is too short".to_owned() })
}
