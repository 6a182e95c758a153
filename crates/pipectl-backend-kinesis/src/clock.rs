//! Listens for the date of a service's answer, which the client does not show, for an examination.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextRef as Answer,
    },
    error::BoxError,
};

/// The date of the last answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dated(Arc<Mutex<Option<String>>>);

impl Dated {
    /// What was heard.
    pub(crate) fn date(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "date of the answer"
    }

    fn read_before_deserialization(
        &self,
        answer: &Answer<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = answer.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
