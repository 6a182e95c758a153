//! How fast, beside a plain client of the same library that only produces and consumes. Ignored: it measures, it does not
//! judge; `cargo test -p pipectl-backend-kafka --release speed -- --ignored --nocapture`.
