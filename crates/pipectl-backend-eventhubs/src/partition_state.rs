//! A partition of a subtask: what its pump has read, how far that was handed on, and where it ends.

use std::{future::Future, pin::Pin, task::Context};

use pipectl_data::{Batch, Micros};

use crate::{
    event,
    position::Mark,
    pump::{self, Began, Inbox, Plan, SharedInbox, Start},
};

/// Payload of a batch, at most about.
const BATCH: usize = 1 << 20;

pub(crate) type Pump = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct PartitionState {
    number: u32,
    pub(crate) inbox: SharedInbox,
    pub(crate) pump: Option<Pump>,
    /// The last event that was handed on, or where reading began.
    pub(crate) mark: Option<Mark>,
    /// The last event that there will be.
    pub(crate) end: Option<i64>,
    /// Events from before this moment are not read.
    from: Option<Micros>,
}

impl PartitionState {
    pub(crate) fn new(number: u32, plan: Plan) -> Self {
        let (mark, from) = match &plan.start {
            Start::After(mark) => (Some(mark.clone()), None),
            Start::Time(from) => (None, Some(*from)),
            Start::Earliest | Start::Latest | Start::Offset(_) => (None, None),
        };
        let inbox = SharedInbox::default();
        let pump: Pump = Box::pin(pump::run(plan, inbox.clone()));
        Self { number, inbox, pump: Some(pump), mark, end: None, from }
    }

    /// Lets the pump work.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(pump) = &mut self.pump
            && pump.as_mut().poll(context).is_ready()
        {
            self.pump = None;
        }
        match self.inbox.lock().began.take() {
            Some(Began::At(mark)) => self.mark = Some(mark),
            // What was known of the former hub's numbers says nothing of the new one's.
            Some(Began::Anew(mark)) => (self.mark, self.end, self.from) = (Some(mark), None, None),
            None => {}
        }
    }

    /// Reports the pump to leave; whoever gets it waits for that.
    pub(crate) fn stop(&mut self) -> Option<Pump> {
        self.inbox.lock().stop = true;
        self.pump.take()
    }

    /// The moment from which on events count, as long as none has been read.
    pub(crate) fn from(&self) -> Option<Micros> {
        self.from.filter(|_| self.mark.is_none())
    }

    /// Whether all that there is has been handed on, as far as the service has said.
    pub(crate) fn is_quiet(&self) -> bool {
        let inbox = self.inbox.lock();
        inbox.at_end && inbox.events.is_empty()
    }

    /// Whether all that there will be has been handed on.
    pub(crate) fn is_finished(&self) -> bool {
        let read = self.mark.as_ref().map_or(-1, |mark| mark.sequence);
        let inbox = self.inbox.lock();
        // Before the service has told what it holds, a position that is beyond the end says nothing: it may be of another
        // hub. A partition that came after the writers had finished was full when it came.
        inbox.found.is_some_and(|found| read >= self.end.unwrap_or(found)) && inbox.events.is_empty()
    }

    /// A batch of what has come.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let mut inbox = self.inbox.lock();
        let inbox: &mut Inbox = &mut inbox;
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(event) = inbox.events.pop_front_if(|event| bytes == 0 || bytes + event.bytes <= BATCH) {
            bytes += event.bytes;
            events.push(event);
        }
        inbox.bytes -= bytes;
        self.mark = Some(events.last()?.mark.clone());
        Some(event::batch(self.number, &events))
    }
}
