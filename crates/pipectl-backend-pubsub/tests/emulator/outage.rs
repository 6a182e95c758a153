//! The service is away for longer than the backend has patience.

use pipectl_data::units;
use pipectl_peers::proxy::Tcp;
use serde_json::json;

use crate::world::{numbered, on_topic};

#[test]
fn a_producer_that_gave_up_never_says_that_all_is_written() {
    let server = pipectl_peers::need!(pipectl_peers::PubSub::shared());
    let way = pipectl_peers::need!(Tcp::start(server.endpoint()));
    let endpoint = format!("http://{}", way.endpoint());
    on_topic(
        json!({}),
        |options| {
            options.endpoint = Some(endpoint);
            options.retry_for = units::Duration::from_secs(2);
        },
        async |world| {
            let mut producer = world.producer().await;
            producer.write(&numbered(10, 2)).await.unwrap();
            producer.checkpoint().await.unwrap();
            way.refuse();
            let written = producer.write(&numbered(20, 5)).await;
            let refused = match written {
                Ok(_) => producer.checkpoint().await.unwrap_err(),
                Err(error) => error,
            };
            assert!(refused.is_retryable(), "{refused}");
            way.pass();
            // Some of the records are lost with their requests: no later call may hide that.
            assert_eq!(producer.checkpoint().await.unwrap_err().message, refused.message);
            assert_eq!(producer.write(&numbered(1, 1)).await.unwrap_err().message, refused.message);
            assert_eq!(producer.finish().await.unwrap_err().message, refused.message);
        },
    );
}
