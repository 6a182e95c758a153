//! Failing some entries of a `PutRecords` and not the others, as a busy shard does inside an answer that says 200.

use serde_json::{Value, json};

/// A request without some of its entries, and what is needed to make its answer whole again.
#[derive(Debug)]
pub(super) struct Split {
    /// The request that goes on; none if no entry is left.
    pub(super) request: Option<String>,
    /// Where the entries that were taken out stood, of all the entries.
    failed: Vec<bool>,
    code: String,
}

/// Takes the entries at these places out of a request. None if it is no request with entries.
pub(super) fn split(body: &[u8], places: &[usize], code: &str) -> Option<Split> {
    let mut request: Value = serde_json::from_slice(body).ok()?;
    let records = request.get_mut("Records")?.as_array_mut()?;
    let failed: Vec<bool> = (0..records.len()).map(|place| places.contains(&place)).collect();
    let mut place = failed.iter();
    records.retain(|_| place.next() != Some(&true));
    let request = (!records.is_empty()).then(|| request.to_string());
    Some(Split { request, failed, code: code.to_owned() })
}

impl Split {
    /// The answer to the whole request, from the server's answer to what was left of it.
    pub(super) fn merge(&self, answer: Option<&[u8]>) -> Option<String> {
        let mut answer = match answer {
            Some(answer) => serde_json::from_slice(answer).ok()?,
            None => json!({ "Records": [] }),
        };
        let done = answer.get_mut("Records")?.as_array_mut()?;
        let mut done = std::mem::take(done).into_iter();
        let mut failures = 0;
        let mut records = Vec::new();
        for failed in &self.failed {
            let record = if *failed {
                json!({ "ErrorCode": self.code, "ErrorMessage": "Rate exceeded for the shard of this record." })
            } else {
                done.next()?
            };
            failures += usize::from(record.get("ErrorCode").is_some_and(|code| !code.is_null()));
            records.push(record);
        }
        answer["Records"] = Value::Array(records);
        answer["FailedRecordCount"] = json!(failures);
        Some(answer.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::split;

    #[test]
    fn only_the_others_go_on_and_every_entry_gets_its_own_answer() {
        let body = json!({ "StreamName": "s", "Records": [{ "Data": "a" }, { "Data": "b" }, { "Data": "c" }] });
        let split = split(body.to_string().as_bytes(), &[0, 2, 7], "Busy").unwrap();
        let request: Value = serde_json::from_str(split.request.as_ref().unwrap()).unwrap();
        assert_eq!(request, json!({ "StreamName": "s", "Records": [{ "Data": "b" }] }));
        let answer = json!({ "FailedRecordCount": 0, "Records": [{ "SequenceNumber": "1", "ShardId": "x" }] });
        let merged: Value = serde_json::from_str(&split.merge(Some(answer.to_string().as_bytes())).unwrap()).unwrap();
        assert_eq!(merged["FailedRecordCount"], 2);
        assert_eq!(merged["Records"][0]["ErrorCode"], "Busy");
        assert_eq!(merged["Records"][1], json!({ "SequenceNumber": "1", "ShardId": "x" }));
        assert_eq!(merged["Records"][2]["ErrorCode"], "Busy");
    }

    #[test]
    fn if_all_fail_nothing_goes_on() {
        let body = json!({ "Records": [{ "Data": "a" }] }).to_string();
        let split = split(body.as_bytes(), &[0], "Busy").unwrap();
        assert!(split.request.is_none());
        let merged: Value = serde_json::from_str(&split.merge(None).unwrap()).unwrap();
        assert_eq!(merged["FailedRecordCount"], 1);
    }
}
