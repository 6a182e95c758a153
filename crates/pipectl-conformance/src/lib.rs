//! One suite that every backend must pass, the one in memory included.
//!
//! A backend's tests write a [`Harness`] and call [`prove`]. What a backend declares that it cannot do, and what its test
//! peer cannot show, is left out, and the reason stands in the report; everything else must hold. From the results a
//! [`Ladder`] of alpha, beta and stable is computed, which the documents show.

mod cases;
mod harness;
mod lab;
mod report;
mod sample;
mod seen;
mod stored;
mod suite;
mod watch;
mod worker;

pub use harness::{Budget, Harness, Lever};
pub use lab::{Lab, Stop};
pub use report::{CaseResult, Ladder, LeftOut, Level, Outcome, Report};
pub use sample::{Header, Sample, batch};
pub use seen::{Seen, SeenRecord};
pub use stored::{STORED, key, root, stored};
pub use suite::{CASES_ONLY, FULL, LOG, REPORTS, case_names, conclude, prove, run, suite, write_report};
pub use worker::{Checkpoint, Commits, Worker, WorkerOptions};
