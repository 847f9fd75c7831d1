//! Stores a new complaint about the use of personal data, acknowledges it, and tells operators.

use chrono::TimeDelta;
use levqor_runtime::db::Tx;

use crate::{
    domain::privacy_complaint::PrivacyComplaint, error::Error, mails, operators, store::privacy_complaints,
};

/// Stores a complaint, acknowledges it by mail if it has an address, and tells operators. Returns false if it was stored before: then
/// nothing follows.
pub(crate) async fn take(tx: &mut Tx, complaint: &PrivacyComplaint) -> Result<bool, Error> {
    if !privacy_complaints::insert(tx, complaint).await? {
        return Ok(false);
    }
    if complaint.acknowledge_time.is_some() {
        mails::complaint_acknowledged(tx, complaint).await?;
    }
    operators::complaint_received(tx, complaint, complaint.create_time).await?;
    Ok(true)
}

/// The most complaints of support's form that are acknowledged by mail to one address within a day. There is a limit, because
/// anybody can type an address.
const MOST_MAILED: i64 = 3;

/// Leaves the acknowledgement of a complaint to staff, if its address already got the most mails of a day.
pub(crate) async fn spare_address(tx: &mut Tx, complaint: &mut PrivacyComplaint) -> Result<(), Error> {
    let Some(email) = complaint.of.email.clone() else { return Ok(()) };
    privacy_complaints::hold_address(tx, &email).await?;
    let since = complaint.create_time - TimeDelta::days(1);
    if privacy_complaints::count_mailed(tx, &email, since).await? >= MOST_MAILED {
        complaint.leave_to_staff();
    }
    Ok(())
}
