//! Calls go to every address of a list. When one address disappears, all calls go to the remaining addresses.

use std::{collections::HashMap, sync::atomic::Ordering};

use levqor_proto::notifications::v1::{
    ListMessagesRequest, notifications_service_client::NotificationsServiceClient,
};
use levqor_runtime::{
    client::{Address, Channels},
    tasks::Background,
    testing::{Caller, TestService, database, eventually},
};

use crate::probe::Probe;

#[tokio::test]
async fn every_address_of_a_list_is_called_except_one_whose_server_has_stopped() {
    let url = database::<Probe>().await;
    let (one, two) = (
        TestService::<Probe>::start_on(url.clone(), &[]).await,
        TestService::<Probe>::start_on(url, &[]).await,
    );
    let addresses = vec![Address::Fixed(one.running.addr), Address::Fixed(two.running.addr)];
    let background = Background::default();
    let channels =
        Channels::secured(&HashMap::from([("notifications".to_owned(), addresses)]), &background, None);
    let client = NotificationsServiceClient::new(channels.get("notifications").expect("a channel"));
    let call = || {
        let mut client = client.clone();
        async move { client.list_messages(Caller::staff().request(ListMessagesRequest::default())).await.is_ok() }
    };
    let served = |service: &TestService<Probe>| service.running.service.at_gate.load(Ordering::SeqCst);
    eventually("both are called", || async {
        call().await;
        (served(&one) > 0 && served(&two) > 0).then_some(())
    })
    .await;
    two.stop().await;
    let before = served(&one);
    for _ in 0..40 {
        assert!(call().await, "a call that one replica did not accept was not sent to the other replica");
    }
    assert_eq!(served(&one), before + 40);
    background.stop();
    one.stop().await;
}
