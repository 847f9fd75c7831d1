//! A complaint about the service: acknowledged within one business day, with a result within seven.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{timestamp, typed_id, wire_enum};

use super::{
    business_hours::{BusinessHours, CLOSING_HOUR, OPENING_HOUR},
    ticket::TicketId,
};

typed_id!(pub(crate) ComplaintId, "a complaint");

wire_enum! {
    /// The subject of a complaint.
    pub(crate) enum ComplaintCategory: wire::complaint::Category {
        /// The service.
        Service = "SERVICE",
        /// Invoices and payments.
        Billing = "BILLING",
        /// An order.
        Order = "ORDER",
        /// How we treated the person.
        Conduct = "CONDUCT",
        /// Anything else.
        Other = "OTHER",
        /// The use of personal data. Compliance gets it, and no table here has it.
        PersonalData = "PERSONAL_DATA",
    }
}

/// Business days until the acknowledgement, and until the result.
const ACKNOWLEDGE_DAYS: i32 = 1;
const ANSWER_DAYS: i32 = 7;

/// The number of a complaint, as customers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComplaintNumber(pub(crate) i64);

impl fmt::Display for ComplaintNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LC-{}", self.0)
    }
}

/// A complaint.
pub(crate) struct Complaint {
    pub(crate) id: ComplaintId,
    pub(crate) number: ComplaintNumber,
    pub(crate) ticket_id: TicketId,
    pub(crate) category: ComplaintCategory,
    pub(crate) acknowledge_due_time: DateTime<Utc>,
    pub(crate) acknowledge_time: Option<DateTime<Utc>>,
    pub(crate) answer_due_time: DateTime<Utc>,
    pub(crate) answer_time: Option<DateTime<Utc>>,
    pub(crate) create_time: DateTime<Utc>,
}

/// The complaint has its result already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the complaint has its result already")]
pub(crate) struct Answered;

impl Complaint {
    /// When a complaint of now has to be acknowledged, and answered.
    pub(crate) fn due_times(now: DateTime<Utc>, hours: &BusinessHours) -> (DateTime<Utc>, DateTime<Utc>) {
        let day = TimeDelta::hours((CLOSING_HOUR - OPENING_HOUR).into());
        let after = |days: i32| hours.after(now, day * days);
        (after(ACKNOWLEDGE_DAYS), after(ANSWER_DAYS))
    }

    /// Gives it its result.
    pub(crate) const fn answer(&mut self, now: DateTime<Utc>) -> Result<(), Answered> {
        if self.answer_time.is_some() {
            return Err(Answered);
        }
        self.answer_time = Some(now);
        Ok(())
    }
}

impl From<Complaint> for wire::Complaint {
    fn from(complaint: Complaint) -> Self {
        Self {
            complaint_id: complaint.id.to_string(),
            number: complaint.number.to_string(),
            ticket_id: complaint.ticket_id.to_string(),
            category: complaint.category.into(),
            acknowledge_due_time: Some(timestamp(complaint.acknowledge_due_time)),
            acknowledge_time: complaint.acknowledge_time.map(timestamp),
            answer_due_time: Some(timestamp(complaint.answer_due_time)),
            answer_time: complaint.answer_time.map(timestamp),
            create_time: Some(timestamp(complaint.create_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::business_hours::tests::{at, hours},
        *,
    };

    #[test]
    fn the_clocks_count_business_days() {
        for (came, acknowledge, answer) in [
            // A Wednesday.
            ("2026-02-04T10:00:00Z", "2026-02-05T10:00:00Z", "2026-02-13T10:00:00Z"),
            // Before Easter, into summer time's holidays.
            ("2026-04-02T09:00:00Z", "2026-04-07T09:00:00Z", "2026-04-15T09:00:00Z"),
        ] {
            assert_eq!(Complaint::due_times(at(came), &hours()), (at(acknowledge), at(answer)), "{came}");
        }
    }
}
