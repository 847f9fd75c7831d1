//! `SendMessage`: the same message is never stored twice, whichever service requests it, and only a valid request is accepted.

use levqor_proto_base::r#type::v1::Money;
use levqor_proto_mail::v1::{
    ComingSoon, OrderIntakeRequest, OrderWelcome, SendMessageRequest, send_message_request::Content,
};
use levqor_proto_notifications::v1::{GetMessageRequest, Message, message::State};
use levqor_runtime::testing::{Caller, TestService, eventually};
use tonic::Code;

use crate::{
    ADDRESS_KEY, Notified, fake_mail, fake_mail::FakeMail, intake_request, reason, refused, violated, welcome,
};

#[tokio::test]
async fn a_message_is_stored_and_delivered_to_the_mailbox() {
    let notified = Notified::start().await;
    let Message { template, about, recipient, subject, provider, provider_message_id, send_time, .. } =
        notified.sent("a", welcome("1", "Ada@Example.com")).await;
    assert_eq!((template.as_str(), about.as_str()), ("order_welcome", "order:1"));
    assert_eq!(recipient, "ada@example.com");
    assert_eq!(subject, "Welcome! Your Starter order is confirmed");
    assert_eq!(provider, "mailbox");
    assert!(!provider_message_id.is_empty() && send_time.is_some(), "sent holds the evidence");
    assert_eq!(notified.count("mailbox").await, 1);
}

#[tokio::test]
async fn the_same_request_with_the_same_key_gets_the_same_answer() {
    let notified = Notified::start().await;
    let first = notified.send("a", welcome("1", "ada@example.com")).await.expect("stored");
    let again = notified.send("a", welcome("1", "ada@example.com")).await.expect("remembered");
    assert_eq!((first.duplicate, &again), (false, &first));
}

#[tokio::test]
async fn the_same_message_is_sent_once_for_every_caller() {
    let notified = Notified::start().await;
    let first = notified.sent("a", welcome("1", "ada@example.com")).await;
    for (service, spelling) in [("billing", "ada@example.com"), ("support", "ADA@example.com")] {
        let caller = Caller::service(service, "notifications").with_key("b");
        let request = caller.request(welcome("1", spelling));
        let again = notified.mail().send_message(request).await.expect("known").into_inner();
        assert_eq!((again.message_id.as_str(), again.duplicate), (first.message_id.as_str(), true));
    }
    assert_eq!((notified.count("messages").await, notified.count("mailbox").await), (1, 1));
}

#[tokio::test]
async fn another_template_order_or_recipient_is_another_message() {
    let notified = Notified::start().await;
    for (key, request) in [
        ("a", welcome("1", "ada@example.com")),
        ("b", intake_request("1", "ada@example.com")),
        ("c", welcome("2", "ada@example.com")),
        ("d", welcome("1", "bob@example.com")),
    ] {
        assert!(!notified.send(key, request).await.expect("stored").duplicate, "{key}");
    }
    eventually("four mails", || async { (notified.count("mailbox").await == 4).then_some(()) }).await;
}

#[tokio::test]
async fn replies_go_where_the_settings_of_the_sender_say() {
    let provider = FakeMail::start();
    let url = provider.url();
    let settings = [
        ADDRESS_KEY,
        ("RESEND_API_KEY", fake_mail::API_KEY),
        ("RESEND_API_BASE", url.as_str()),
        ("LEVQOR_MAIL_REPLY_TO", "help@levqor.ai"),
        ("LEVQOR_MAIL_REPLY_TO_UPDATES", "news@levqor.ai"),
    ];
    let notified = Notified { service: TestService::start(&settings).await };
    notified.sent("a", welcome("1", "ada@example.com")).await;
    let content = Content::ComingSoon(ComingSoon { connector: "Salesforce".to_owned() });
    let update = SendMessageRequest { content: Some(content), ..welcome("1", "ada@example.com") };
    notified.sent("b", update).await;
    let replies: Vec<_> = provider.accepted().into_iter().filter_map(|mail| mail.reply_to).collect();
    assert_eq!(replies, ["help@levqor.ai", "news@levqor.ai"]);
}

#[tokio::test]
async fn ten_at_once_are_one_message_and_one_mail() {
    let notified = Notified::start().await;
    let calls = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
        .map(|key| async { notified.send(key, welcome("1", "ada@example.com")).await.expect("stored") });
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(answers.iter().all(|answer| answer.message_id == answers[0].message_id));
    notified.sent("after", welcome("1", "ada@example.com")).await;
    assert_eq!((notified.count("messages").await, notified.count("mailbox").await), (1, 1));
}

#[tokio::test]
async fn ten_at_once_with_one_key_are_one_message_and_one_mail() {
    let notified = Notified::start().await;
    let calls = (0..10).map(|_| notified.send("a", welcome("1", "ada@example.com")));
    for answer in futures_util::future::join_all(calls).await {
        match answer {
            Ok(answer) => assert!(!answer.duplicate, "each is told what the first was"),
            Err(status) => assert_eq!(reason(&status), "IDEMPOTENCY_KEY_IN_FLIGHT"),
        }
    }
    notified.sent("a", welcome("1", "ada@example.com")).await;
    assert_eq!((notified.count("messages").await, notified.count("mailbox").await), (1, 1));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let notified = Notified::start().await;
    notified.send("a", welcome("1", "ada@example.com")).await.expect("stored");
    let status = refused(notified.send("a", welcome("2", "ada@example.com")).await);
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED")
    );
    assert_eq!(notified.count("messages").await, 1);
}

#[tokio::test]
async fn a_call_without_a_key_is_refused() {
    let notified = Notified::start().await;
    let request = Caller::service("billing", "notifications").request(welcome("1", "ada@example.com"));
    let status = refused(notified.mail().send_message(request).await);
    assert_eq!(violated(&status), ["idempotency-key"]);
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let notified = Notified::start().await;
    let content = Content::OrderWelcome(OrderWelcome {
        customer_name: String::new(),
        order_id: "1&2".to_owned(),
        tier: " \n".to_owned(),
        amount: Some(Money { currency_code: "gbp".to_owned(), minor_units: -1 }),
        delivery_time: String::new(),
        revisions: -1,
        intake_link: Some("javascript:alert(1)".to_owned()),
    });
    let request = SendMessageRequest {
        recipient: "ada".to_owned(),
        about: "order 1".to_owned(),
        content: Some(content),
        ..Default::default()
    };
    let status = refused(notified.send("a", request).await);
    let expected = [
        "recipient",
        "about",
        "order_welcome.order_id",
        "order_welcome.tier",
        "order_welcome.amount.currency_code",
        "order_welcome.amount.minor_units",
        "order_welcome.delivery_time",
        "order_welcome.revisions",
        "order_welcome.intake_link",
    ];
    assert_eq!(violated(&status), expected);
    assert_eq!(notified.count("messages").await, 0);
}

#[tokio::test]
async fn missing_fields_are_named() {
    let notified = Notified::start().await;
    let status = refused(notified.send("a", SendMessageRequest::default()).await);
    assert_eq!(violated(&status), ["recipient", "about", "content"]);

    let mut request = welcome("1", "ada@example.com");
    request.content = Some(Content::OrderWelcome(OrderWelcome::default()));
    let status = refused(notified.send("b", request.clone()).await);
    let expected = [
        "order_welcome.order_id",
        "order_welcome.tier",
        "order_welcome.amount",
        "order_welcome.delivery_time",
    ];
    assert_eq!(violated(&status), expected);

    request.content = Some(Content::OrderIntakeRequest(OrderIntakeRequest::default()));
    let status = refused(notified.send("c", request).await);
    assert_eq!(violated(&status), ["order_intake_request.order_id", "order_intake_request.tier"]);
}

#[tokio::test]
async fn texts_of_customers_cannot_break_the_mail() {
    let notified = Notified::start().await;
    let mut request = welcome("1", "ada@example.com");
    if let Some(Content::OrderWelcome(data)) = &mut request.content {
        data.customer_name = "Ada\r\nBcc: bob@example.com\u{202e}<script>{{ 7*7 }}\u{1}".to_owned();
    }
    let message = notified.sent("a", request).await;
    assert_eq!(message.state(), State::Sent);
    assert_eq!(message.subject, "Welcome! Your Starter order is confirmed");
}

#[tokio::test]
async fn a_line_that_could_begin_a_header_is_refused() {
    let notified = Notified::start().await;
    let mut request = welcome("1", "ada@example.com");
    if let Some(Content::OrderWelcome(data)) = &mut request.content {
        data.tier = "Starter\r\nBcc: bob@example.com".to_owned();
    }
    let status = refused(notified.send("a", request).await);
    assert_eq!(violated(&status), ["order_welcome.tier"]);
    assert_eq!(notified.count("messages").await, 0);
}

#[tokio::test]
async fn no_name_makes_a_link_in_a_mail_or_keeps_a_mail_from_being_sent() {
    let notified = Notified::start().await;
    let endless = "a.".repeat(10_000);
    for (about, name, greeting) in [
        (
            "1",
            "Claim your refund: https://evil.example/x",
            "Hello Claim your refund: https: / / evil. example / x,".to_owned(),
        ),
        ("2", endless.as_str(), format!("Hello {}a.…,", "a. ".repeat(19))),
        ("3", "http://", "Hello http: / /,".to_owned()),
        ("4", "\u{202e}…", "Hello,".to_owned()),
    ] {
        let mut request = welcome(about, "ada@example.com");
        if let Some(Content::OrderWelcome(data)) = &mut request.content {
            data.customer_name = name.to_owned();
        }
        let message = notified.sent(about, request).await;
        let request = Caller::staff().request(GetMessageRequest { message_id: message.message_id });
        let shown = notified.client().get_message(request).await.expect("a message").into_inner();
        assert!(shown.text.contains(&greeting), "{greeting}: {}", shown.text);
        for part in [&shown.text, &shown.html] {
            assert!(!part.contains("evil.example") && !part.contains("//evil"), "{part}");
        }
    }
}

#[tokio::test]
async fn mails_of_a_free_order_mention_no_payment() {
    let notified = Notified::start().await;
    let mut request = welcome("1", "ada@example.com");
    if let Some(Content::OrderWelcome(data)) = &mut request.content {
        data.amount = Some(Money { currency_code: "GBP".to_owned(), minor_units: 0 });
    }
    let message = notified.sent("a", request).await;
    let request = Caller::staff().request(GetMessageRequest { message_id: message.message_id });
    let text = notified.client().get_message(request).await.expect("a message").into_inner().text;
    assert!(text.contains("There is nothing to pay") && !text.contains("payment"), "{text}");
}
