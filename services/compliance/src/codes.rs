//! Sends one-time codes, and checks them.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{Db, DbError, Tx};

use crate::{
    domain::{
        code::{Code, Purpose, VALID},
        data_request::{DataRequest, DataRequestId},
    },
    error::Error,
    mails,
    store::data_request_codes,
};

/// Makes a code and mails it to the address of the request.
pub(crate) async fn send(tx: &mut Tx, request: &DataRequest, purpose: Purpose) -> Result<(), DbError> {
    let (code, now) = make(tx, request.id, purpose).await?;
    mails::code(tx, request, &code, now).await
}

/// Makes a code, and does not mail it. A request that sends no code makes one too: otherwise its time, and the time of a try, would
/// tell that none was sent.
pub(crate) async fn make(
    tx: &mut Tx,
    id: DataRequestId,
    purpose: Purpose,
) -> Result<(Code, DateTime<Utc>), DbError> {
    let (code, now) = (Code::random(), tx.now().await?);
    data_request_codes::put(tx, id, purpose, &code.hash(), [now, now + VALID]).await?;
    Ok((code, now))
}

/// Counts a try, commits the count, and compares the code.
pub(crate) async fn check(db: &Db, id: DataRequestId, purpose: Purpose, code: &Code) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    let now = tx.now().await?;
    let stored = data_request_codes::count_try(&mut tx, id, purpose, now).await?;
    tx.commit().await?;
    if code.is_of(stored.as_ref()) { Ok(()) } else { Err(Error::CodeInvalid) }
}
