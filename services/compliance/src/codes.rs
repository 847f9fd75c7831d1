//! Sends one-time codes, and checks them.

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
    let (code, now) = (Code::random(), tx.now().await?);
    data_request_codes::put(tx, request.id, purpose, &code.hash(), [now, now + VALID]).await?;
    mails::code(tx, request, &code, now).await
}

/// Counts a try, commits the count, and compares the code.
pub(crate) async fn check(db: &Db, id: DataRequestId, purpose: Purpose, code: &Code) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    let now = tx.now().await?;
    let stored = data_request_codes::count_try(&mut tx, id, purpose, now).await?;
    tx.commit().await?;
    if stored.is_some_and(|stored| code.is_of(&stored)) { Ok(()) } else { Err(Error::CodeInvalid) }
}
