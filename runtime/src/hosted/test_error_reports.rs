//! Sends an error report that is marked as a test, and stores its result. A schedule defers this call to the service itself. A
//! report that does not arrive is retried as every deferred call is, and finally becomes a dead call that alerts an operator.

use levqor_proto_runtime::v1::{TestErrorReportsRequest, TestErrorReportsResponse};

use super::{Error, Hosted};
use crate::{context::Ctx, rpc::State, self_test, service::Service};

pub(super) async fn test_error_reports<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    _: TestErrorReportsRequest,
) -> Result<TestErrorReportsResponse, Error> {
    // Where error reports are off, the status says so, and there is nothing to test.
    let Some(reports) = &hosted.error_reports else { return Ok(TestErrorReportsResponse::default()) };
    let chassis = hosted.chassis();
    let sent = reports.test(S::NAME, chassis.clock.now()).await;
    // Acquired only now, so that no connection is held during the network call.
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
