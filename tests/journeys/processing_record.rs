//! The record of processing activities names the companies that receive data, as the settings of each service turn them on.

use serde_json::Value;

use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::Mesh,
};

/// The state of a company, its host, and the services that use it.
fn recipient(record: &Value, name: &str) -> (String, String, Vec<String>) {
    let all = record["recipients"].as_array().expect("recipients");
    let found = all.iter().find(|it| it["name"] == name).expect(name);
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    let services = found["services"].as_array().expect("services").iter().filter_map(Value::as_str);
    (text("state"), text("host"), services.map(str::to_owned).collect())
}

#[tokio::test]
async fn a_company_is_active_while_a_service_is_set_up_to_use_it() {
    let provider = FakeMail::start();
    let url = provider.url();
    let resend = [("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", url.as_str())];
    let none: [(&str, &str); 0] = [];
    for (settings, state, host) in [(&none[..], "STATE_OFF", ""), (&resend[..], "STATE_ACTIVE", "127.0.0.1")]
    {
        let mesh = Mesh::start_with(settings).await;
        let record = mesh.staff().get("/v1/processing-record").await;
        assert_eq!(record.status, 200, "{}", record.text);
        assert_eq!(record.json["unanswered"].as_array().map_or(0, Vec::len), 0, "{}", record.text);
        let of_notifications = vec!["notifications".to_owned()];
        let expected = (state.to_owned(), host.to_owned(), of_notifications.clone());
        assert_eq!(recipient(&record.json, "Resend"), expected);
        let smtp = recipient(&record.json, "The provider of the SMTP server");
        assert_eq!(smtp, ("STATE_OFF".to_owned(), String::new(), of_notifications));
        assert_eq!(recipient(&record.json, "Stripe").2, ["billing"]);
        assert_eq!(recipient(&record.json, "The provider of the language model").2, ["support"]);
        let (state, _, services) = recipient(&record.json, "The host of the databases");
        assert_eq!((state.as_str(), services.len()), ("STATE_ACTIVE", 4), "{services:?}");
        mesh.finish().await;
    }
}
