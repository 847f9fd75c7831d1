//! Sends an error report that is marked as a test, and stores the result. A schedule of the service defers this call. If the report does
//! not arrive, the call is retried like every deferred call. In the end it is a dead call, which alerts an operator.

use levqor_proto_runtime::v1::{TestErrorReportsRequest, TestErrorReportsResponse};

use super::{Error, Hosted};
use crate::{context::Ctx, rpc::State, self_test, service::Service};

pub(super) async fn test_error_reports<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    _: TestErrorReportsRequest,
) -> Result<TestErrorReportsResponse, Error> {
    // If error reports are off, the status shows that, and there is nothing to test.
    let Some(reports) = &hosted.error_reports else { return Ok(TestErrorReportsResponse::default()) };
    let chassis = hosted.chassis();
    let sent = reports.test(S::NAME, chassis.clock.now()).await;
    // Acquired after the network call, so that the call holds no connection.
    let mut conn = chassis.db.acquire().await?;
    match sent {
        Ok(event_id) => {
            self_test::succeeded(&mut conn, self_test::ERROR_REPORTS).await?;
            Ok(TestErrorReportsResponse { event_id })
        }
        Err(error) => {
            self_test::failed(&mut conn, self_test::ERROR_REPORTS, &error.to_string()).await?;
            Err(error.into())
        }
    }
}
