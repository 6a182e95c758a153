//! What the tests share.

pub(crate) mod chance;
pub(crate) mod generator;
pub(crate) mod lab;
pub(crate) mod output;
pub(crate) mod prometheus;
pub(crate) mod run;
pub(crate) mod scrape;
pub(crate) mod sqlite;
pub(crate) mod tools;
pub(crate) mod traffic;
pub(crate) mod wait;

pub(crate) use lab::{Lab, edit, example};
