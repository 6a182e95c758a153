//! A chain whose root waits for others: answers come beside the inputs, and watermarks behind the answers before them.

use std::task::{Context, Poll};

use pipectl_contract::{Calls, Output};
use pipectl_ir::physical::Target;

use super::{Chain, Halt};
use crate::{error::RunError, work::Work};

impl Chain {
    /// The operator at the root that others work for, if there is one.
    fn calls(&mut self) -> Option<&mut dyn Calls> {
        let [Target::Step(root)] = self.roots.as_slice() else { return None };
        match &mut self.steps.get_mut(*root)?.work {
            Work::Operator(operator) => operator.calls(),
            Work::EventTime(_) => None,
        }
    }

    /// Whether it takes a batch now; if not, an answer must come first.
    pub(crate) fn has_room(&mut self) -> bool {
        self.calls().is_none_or(|calls| calls.has_room())
    }

    /// Whether something that it has taken is not done.
    pub(crate) fn is_waiting(&mut self) -> bool {
        self.calls().is_some_and(|calls| calls.is_waiting())
    }

    /// Ready when something that it has taken is done, for [`Chain::answer`]; pending if nothing is under way.
    pub(crate) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<Output, Halt>> {
        let Some(calls) = self.calls() else { return Poll::Pending };
        let mut out = Output::default();
        match calls.poll_answer(context, &mut out) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(out)),
            Poll::Ready(Err(error)) => {
                let node = self.steps.first().map_or("", |step| self.nodes[step.node].as_str());
                Poll::Ready(Err(RunError::operator(node, &error).into()))
            }
        }
    }

    /// Passes on what has been done, and the watermark behind it.
    pub(crate) async fn answer(&mut self, out: Output) -> Result<(), Halt> {
        let [Target::Step(root)] = *self.roots.as_slice() else { return Ok(()) };
        self.note_state(root)?;
        self.emit(root, out)?;
        if let Some(watermark) = self.calls().and_then(Calls::take_watermark) {
            self.pass_on_watermark(root, watermark)?;
        }
        self.flush().await
    }
}
