//! Further telephone numbers of a person: the JSON part of Twenty's composite PHONES.

use serde_json::Value;

use super::super::columns::Json;
use crate::sources::rows::PhoneRow;

/// The numbers of `[{"number","countryCode","callingCode"}]`, in order.
///
/// Importers leave parts out and write bare texts or JSON numbers; items without a number are dropped. Anything else is no list of
/// telephone numbers, and the error does not tell it.
pub(super) fn further(told: &Json) -> Result<Vec<PhoneRow>, String> {
    let items = match &told.0 {
        Value::Array(items) => items.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    let mut phones = Vec::with_capacity(items.len());
    for item in items {
        let (number, calling_code) = match item {
            Value::Object(_) => (scalar(item.get("number"))?, scalar(item.get("callingCode"))?),
            item => (scalar(Some(item))?, None),
        };
        phones.extend(number.map(|number| PhoneRow { number, calling_code }));
    }
    Ok(phones)
}

/// A text or number; `None` where it is missing or empty.
fn scalar(value: Option<&Value>) -> Result<Option<String>, String> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err("is not a list of telephone numbers".to_owned()),
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(told: Value) -> Result<Vec<(String, Option<String>)>, String> {
        let phones = further(&Json(told))?;
        Ok(phones.into_iter().map(|phone| (phone.number, phone.calling_code)).collect())
    }

    #[test]
    fn every_further_number_comes_with_its_own_calling_code() {
        let two = json!([
            {"number": "20 7946 0001", "countryCode": "GB", "callingCode": "+44"},
            {"number": "6145550101", "countryCode": "US", "callingCode": "+1"},
        ]);
        let told = |number: &str, code: &str| (number.to_owned(), Some(code.to_owned()));
        assert_eq!(read(two), Ok(vec![told("20 7946 0001", "+44"), told("6145550101", "+1")]));
    }

    #[test]
    fn parts_that_importers_leave_out_or_write_otherwise_cost_no_row() {
        let plain = |number: &str| (number.to_owned(), None);
        for nothing in [
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!([null, {}, {"number": " "}, {"callingCode": "+44"}]),
        ] {
            assert_eq!(read(nothing.clone()), Ok(vec![]), "{nothing}");
        }
        assert_eq!(read(json!(["+442079460001", ""])), Ok(vec![plain("+442079460001")]));
        assert_eq!(read(json!({"number": "+442079460001"})), Ok(vec![plain("+442079460001")]));
        assert_eq!(
            read(json!([{"number": 6_145_550_101_u64, "callingCode": 1}])),
            Ok(vec![("6145550101".to_owned(), Some("1".to_owned()))])
        );
    }

    #[test]
    fn what_is_no_list_of_numbers_is_refused_without_being_told() {
        for odd in [
            json!([["+442079460001"]]),
            json!([{"number": {"raw": "+442079460001"}}]),
            json!(true),
            json!(["\0"]),
        ] {
            let reason = read(odd.clone()).expect_err("no telephone numbers");
            assert_eq!(reason, "is not a list of telephone numbers", "{odd}");
        }
    }
}
