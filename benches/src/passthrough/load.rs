//! The records that are passed on: small JSON objects of about a thousand users, the same for every backend.

/// How many keys there are.
const USERS: u64 = 997;

/// A record's key and payload.
pub(super) fn record(id: u64) -> (String, String) {
    let user = format!("u{}", id % USERS);
    let amount = id % 1000;
    let payload = format!(
        r#"{{"id":{id},"user":"{user}","amount":{amount}.5,"ts":1700000000000,"note":"lorem ipsum dolor sit amet"}}"#
    );
    (user, payload)
}
