//! What a subtask asks the brokers, one question at a time beside its reading, and what it makes of the answers.

use std::{collections::BTreeMap, time::Duration};

use pipectl_contract::{ConnectorError, StartAt};
use pipectl_host::Host;
use rdkafka::consumer::Consumer as _;

use super::{
    group::{Event, list, placed},
    places::{Bounds, Lookup, Placed},
    reader::{Reader, Sharing, TROUBLED, micros},
};
use crate::{error, retry};

pub(super) enum Answer {
    Assigned(Result<Vec<Placed>, ConnectorError>),
    Discovered(Result<Vec<Placed>, ConnectorError>),
    Checked(Result<BTreeMap<u32, Bounds>, ConnectorError>),
}

impl Reader {
    /// Does what the group wants, and asks the brokers what has to be known.
    pub(super) fn serve(&mut self) -> Result<(), ConnectorError> {
        self.hand_over()?;
        while self.handover.is_none() && self.job.is_none() {
            let lookup = self.lookup()?.clone();
            match lookup.client.context().event() {
                Some(Event::Assigned(partitions)) => {
                    self.joined = true;
                    let (start, at_first) = (self.plan.start.clone(), self.at_first);
                    let placed = move || {
                        if partitions.is_empty() {
                            return Ok(Vec::new());
                        }
                        let known = lookup.committed(lookup.partitions()?)?;
                        let placed = lookup.place(&partitions, &known, &start, at_first)?;
                        lookup.pin(placed)
                    };
                    self.ask(placed, Answer::Assigned);
                }
                Some(Event::Revoked { partitions, lost }) => self.revoke(partitions, lost)?,
                None if self.must_check => {
                    self.must_check = false;
                    let numbers: Vec<u32> = self.partitions.keys().copied().collect();
                    self.ask(move || lookup.bounds(&numbers), Answer::Checked);
                }
                None if self.plan.host.now() >= self.next_discovery => self.discover(lookup),
                None => break,
            }
        }
        Ok(())
    }

    fn discover(&mut self, lookup: Lookup) {
        let every = if self.trouble.is_some() { TROUBLED } else { self.plan.discover_every };
        self.next_discovery = self.plan.host.now() + micros(every);
        let have: Vec<u32> = self.partitions.keys().copied().collect();
        let (subtask, subtasks, sharing) = (self.plan.subtask, self.plan.subtasks, self.plan.sharing);
        self.ask(move || newcomers(&lookup, subtask, subtasks, sharing, &have), Answer::Discovered);
    }

    fn ask<T: Send + 'static>(
        &mut self,
        question: impl Fn() -> Result<T, ConnectorError> + Clone + Send + Sync + 'static,
        answer: fn(Result<T, ConnectorError>) -> Answer,
    ) {
        let (host, bound) = (self.plan.host.clone(), self.plan.retry_for);
        self.job = Some(Box::pin(async move { answer(asked(&host, bound, question).await) }));
    }

    pub(super) fn answered(&mut self, answer: Answer) -> Result<(), ConnectorError> {
        match answer {
            Answer::Assigned(placed) => self.take_on(placed?),
            Answer::Discovered(Ok(placed)) => {
                self.trouble = None;
                if placed.is_empty() { Ok(()) } else { self.take_on(placed) }
            }
            // It was asked again for as long as brokers may be away.
            Answer::Discovered(Err(problem)) | Answer::Checked(Err(problem)) => Err(problem),
            Answer::Checked(Ok(bounds)) => self.begin_again(&bounds),
        }
    }

    /// The brokers did not have what was asked for: looks where that is so, and begins again from what is there.
    fn begin_again(&mut self, bounds: &BTreeMap<u32, Bounds>) -> Result<(), ConnectorError> {
        let numbers: Vec<u32> = self.partitions.keys().copied().collect();
        self.forget_fetched(&numbers);
        let lookup = self.lookup()?.clone();
        for (number, partition) in &mut self.partitions {
            if let Some(bounds) = bounds.get(number) {
                partition.next = lookup.within(*number, partition.next, *bounds)?;
                partition.first = partition.first.min(partition.next);
            }
            partition.caught_up = false;
        }
        let places = self.partitions.iter().map(|(number, partition)| (*number, partition.next));
        let assignment = placed(&lookup.topic, places)?;
        lookup
            .client
            .incremental_unassign(&list(&lookup.topic, numbers))
            .and_then(|()| lookup.client.incremental_assign(&assignment))
            .map_err(|problem| error::client(self.what(), problem))
    }
}

/// Partitions of the subtask that are not read yet. A group sees to that itself; it is enough that the topic answers.
pub(super) fn newcomers(
    lookup: &Lookup,
    subtask: u32,
    subtasks: u32,
    sharing: Sharing,
    have: &[u32],
) -> Result<Vec<Placed>, ConnectorError> {
    let count = lookup.partitions()?;
    if sharing == Sharing::Shared {
        return Ok(Vec::new());
    }
    let new: Vec<u32> = (subtask..count).step_by(subtasks as usize).filter(|number| !have.contains(number)).collect();
    lookup.place(&new, &BTreeMap::new(), &StartAt::Earliest, count)
}

/// Asks the brokers where waiting harms nobody, again and again while they are away.
pub(super) async fn asked<T: Send + 'static>(
    host: &Host,
    bound: Duration,
    question: impl Fn() -> Result<T, ConnectorError> + Clone + Send + 'static,
) -> Result<T, ConnectorError> {
    retry::within(host, bound, || {
        let question = question.clone();
        async move { host.blocking(question).await }
    })
    .await
}
