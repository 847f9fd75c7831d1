//! Faults of the API that a test orders.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::fakes::stripe::{Fault, Stripe, Trouble};

#[tokio::test]
async fn each_fault_has_its_documented_effect() {
    let stripe = Stripe::start();
    let slow = Fault::Slow(Duration::from_millis(30));
    stripe.fail_next([Fault::RateLimited, Fault::Internal, Fault::Cut, slow]);
    let create = async |key: &str| {
        stripe.call(Method::POST, "/v1/customers", "name=Ada", &[("idempotency-key", key)]).await
    };
    let limited = create("a").await.expect("an answer");
    assert_eq!((limited.status.as_u16(), limited.str("/error/code")), (429, "rate_limit"));
    let failed = create("b").await.expect("an answer");
    assert_eq!((failed.status.as_u16(), failed.str("/error/type")), (500, "api_error"));
    assert!(create("c").await.is_none(), "the answer was cut");
    let begun = std::time::Instant::now();
    assert_eq!(create("d").await.expect("an answer").status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    assert_eq!(create("b").await.expect("an answer").status, 500, "what failed with a key fails again");
    assert!(create("c").await.expect("an answer").replayed, "it had been done");
    assert!(!create("a").await.expect("an answer").replayed, "it had not been done");
    assert_eq!(stripe.get("/v1/customers").await.ids().len(), 3);
}

#[tokio::test]
async fn trouble_at_random_is_the_same_for_the_same_seed() {
    let mut stories = Vec::new();
    for seed in [7, 7, 8] {
        let stripe = Stripe::start();
        let mut trouble = Trouble::seeded(seed);
        (trouble.rate_limited, trouble.internal, trouble.cut, trouble.slow) = (0.3, 0.2, 0.2, 0.2);
        trouble.slowness = Duration::from_millis(1);
        stripe.trouble(trouble);
        let mut story = Vec::new();
        for _ in 0..30 {
            let answer = stripe.call(Method::GET, "/v1/account", "", &[]).await;
            story.push(answer.map(|answer| answer.status.as_u16()));
        }
        stories.push(story);
        stripe.trouble(Trouble::default());
        assert_eq!(stripe.get("/v1/account").await.json["object"], json!("account"));
    }
    assert_eq!(stories[0], stories[1]);
    assert_ne!(stories[0], stories[2]);
    for expected in [Some(200), Some(429), Some(500), None] {
        assert!(stories[0].contains(&expected), "{expected:?}: {stories:?}");
    }
}
