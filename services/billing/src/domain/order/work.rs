//! The work on a paid order, step by step: each step says whether it is possible now, and changes the order.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Action, FulfilmentState, IllegalMove, Order};

/// How long after a delivery the customer may request a revision, also of work that was accepted.
const REVISION_PERIOD: TimeDelta = TimeDelta::days(14);
/// How long after a delivery the work counts as accepted if the customer says nothing.
pub(crate) const ACCEPTANCE_PERIOD: TimeDelta = TimeDelta::days(7);

/// Why a step is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPossible {
    /// The order is not paid, so there is no work.
    #[error("the order is not paid")]
    NotPaid,
    /// The state of the work does not allow it.
    #[error(transparent)]
    State(#[from] IllegalMove),
    /// All revisions are used.
    #[error("the order includes no more revisions")]
    NoRevisionsLeft,
    /// The time for revisions is over.
    #[error("a revision can be requested until 14 days after the delivery")]
    RevisionPeriodOver,
}

/// What staff confirm with a delivery. A delivery needs all of it.
#[expect(clippy::struct_excessive_bools, reason = "it is a list of points to tick")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checklist {
    /// The automation was tested.
    pub(crate) tested: bool,
    /// It runs without errors.
    pub(crate) error_free: bool,
    /// Its parts have clear names.
    pub(crate) naming: bool,
    /// It is documented.
    pub(crate) documented: bool,
}

impl Checklist {
    /// The names of the points that are not confirmed.
    pub(crate) fn open_points(self) -> impl Iterator<Item = &'static str> {
        let points = [
            ("tested", self.tested),
            ("error_free", self.error_free),
            ("naming", self.naming),
            ("documented", self.documented),
        ];
        points.into_iter().filter(|(_, confirmed)| !confirmed).map(|(name, _)| name)
    }
}

impl Order {
    /// Refuses an order that is not paid: there is no work on it.
    pub(crate) fn check_paid(&self) -> Result<(), NotPossible> {
        self.fulfilment_state.map(drop).ok_or(NotPossible::NotPaid)
    }

    /// Refuses an order whose intake form can no longer be changed.
    pub(crate) fn check_intake_open(&self) -> Result<(), NotPossible> {
        self.next(Action::SubmitIntake).map(drop)
    }

    /// Submits the intake form. The delivery time begins.
    pub(crate) fn submit_intake(&mut self, now: DateTime<Utc>) -> Result<(), NotPossible> {
        self.step(Action::SubmitIntake, now)?;
        self.submit_time = Some(now);
        self.owe_delivery(now);
        Ok(())
    }

    /// Starts the work, or the work on a revision.
    pub(crate) fn start(&mut self, now: DateTime<Utc>) -> Result<(), NotPossible> {
        self.step(Action::Start, now)
    }

    /// Delivers the work. The caller has checked the checklist.
    pub(crate) fn deliver(&mut self, now: DateTime<Utc>) -> Result<(), NotPossible> {
        self.step(Action::Deliver, now)?;
        self.deliver_time = Some(now);
        Ok(())
    }

    /// Requests a revision. It uses one of the order's revisions, and its delivery time begins.
    pub(crate) fn request_revision(&mut self, now: DateTime<Utc>) -> Result<(), NotPossible> {
        let next = self.next(Action::RequestRevision)?;
        if self.revision_end_time().is_none_or(|end| now >= end) {
            return Err(NotPossible::RevisionPeriodOver);
        }
        if self.revisions_left == 0 {
            return Err(NotPossible::NoRevisionsLeft);
        }
        self.move_to(next, now);
        self.revisions_left -= 1;
        self.accept_time = None;
        self.owe_delivery(now);
        Ok(())
    }

    /// Accepts the work.
    pub(crate) fn accept(&mut self, now: DateTime<Utc>) -> Result<(), NotPossible> {
        self.step(Action::Accept, now)?;
        self.accept_time = Some(now);
        Ok(())
    }

    /// Ends the work, because the customer withdraws from the contract.
    pub(crate) fn withdraw(&mut self, now: DateTime<Utc>) -> Result<(), NotPossible> {
        self.step(Action::End, now)
    }

    /// The end of the time in which a revision may be requested.
    pub(crate) fn revision_end_time(&self) -> Option<DateTime<Utc>> {
        self.deliver_time.map(|delivered| delivered + REVISION_PERIOD)
    }

    /// Whether the work counts as accepted because the customer said nothing.
    pub(crate) fn is_silently_accepted(&self, now: DateTime<Utc>) -> bool {
        let silent = self.deliver_time.is_some_and(|delivered| now >= delivered + ACCEPTANCE_PERIOD);
        silent && self.fulfilment_state == Some(FulfilmentState::Delivered)
    }

    /// Notes that operators get a notice of an overdue delivery. Returns false if it is not overdue, or if they got one already.
    pub(crate) fn report_overdue(&mut self, now: DateTime<Utc>) -> bool {
        let owed = self.fulfilment_state.is_some_and(FulfilmentState::is_owed);
        let overdue = owed && self.due_time.is_some_and(|due| now >= due) && self.overdue_time.is_none();
        if overdue {
            self.overdue_time = Some(now);
        }
        overdue
    }

    fn next(&self, action: Action) -> Result<FulfilmentState, NotPossible> {
        Ok(self.fulfilment_state.ok_or(NotPossible::NotPaid)?.after(action)?)
    }

    fn step(&mut self, action: Action, now: DateTime<Utc>) -> Result<(), NotPossible> {
        let next = self.next(action)?;
        self.move_to(next, now);
        Ok(())
    }

    fn move_to(&mut self, state: FulfilmentState, now: DateTime<Utc>) {
        self.fulfilment_state = Some(state);
        self.update_time = now;
    }

    /// Begins the delivery time of the order's tier.
    fn owe_delivery(&mut self, now: DateTime<Utc>) {
        self.due_time = Some(now + self.terms.tier.delivery_time());
        self.overdue_time = None;
    }
}
