//! Options: fields of an object, checked.

use crate::failure::Failure;
use crate::number::{from_f64, is_undefined};
use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};

/// The fields of an object. The TypeScript caller checks their names.
pub(crate) struct Fields<'env>(pub(crate) Object<'env>);

impl Fields<'_> {
    /// Passes the integer in a field to `set`, if the field exists.
    pub(crate) fn integer<T>(&self, name: &str, target: T, set: fn(T, u64) -> T) -> Result<T, Failure> {
        match self.get::<f64>(name, "an integer from 0 to 2^53-1")? {
            None => Ok(target),
            Some(number) => match from_f64(number) {
                Some(integer) => Ok(set(target, integer)),
                None => Err(Failure::field(name, "an integer from 0 to 2^53-1")),
            },
        }
    }

    /// Passes the boolean in a field to `set`, if the field exists.
    pub(crate) fn boolean<T>(&self, name: &str, target: T, set: fn(T, bool) -> T) -> Result<T, Failure> {
        Ok(match self.get(name, "a boolean")? {
            None => target,
            Some(boolean) => set(target, boolean),
        })
    }

    /// Returns the text in a field, if it exists.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.get(name, "a string")
    }

    /// Returns the texts in a field, if it exists.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        self.get(name, "an array of strings")
    }

    fn get<T: FromNapiValue>(&self, name: &str, expected: &str) -> Result<Option<T>, Failure> {
        let wrong = || Failure::field(name, expected);
        match self.0.get::<Unknown<'_>>(name) {
            Ok(None) => Ok(None),
            Ok(Some(value)) if is_undefined(&value) => Ok(None),
            Ok(Some(value)) => T::from_unknown(value).map(Some).map_err(|_| wrong()),
            Err(_) => Err(wrong()),
        }
    }
}
