//! What the service says that it can do.

use levqor_runtime::service::Service;

use crate::Notified;

#[tokio::test]
async fn the_local_mailbox_is_on_and_says_that_it_sends_nothing_out() {
    let notified = Notified::start().await;
    let capabilities = notified.service.running.service.capabilities();
    let told: Vec<_> = capabilities.iter().map(|it| (it.name, it.on, it.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("mail_mailbox", true, "mail stays in the local mailbox; no provider sends it out"),
            ("mail_resend", false, "not part of this version"),
            ("mail_smtp", false, "not part of this version"),
        ]
    );
}
