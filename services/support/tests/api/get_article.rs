//! `GetArticle`: everybody reads published articles, with the prices of billing's price list and with no gap.

use levqor_proto_billing::v1::subscription::Plan;
use levqor_proto_support::v1::{Article, GetArticleRequest};
use levqor_runtime::testing::{Caller, reason, refused};
use tonic::Status;

use crate::bench::{Bench, FakeBilling};

impl Bench {
    pub(crate) async fn article(&self, caller: &Caller, slug: &str) -> Result<Article, Status> {
        let request = caller.request(GetArticleRequest { slug: slug.to_owned() });
        Ok(self.articles().get_article(request).await?.into_inner().article.expect("an article"))
    }
}

#[tokio::test]
async fn prices_are_those_of_billing() {
    let billing = FakeBilling::start(Plan::Growth).await;
    let bench = Bench::start_with(&billing).await;
    let article = bench.article(&Caller::anonymous(), "plan-growth").await.expect("an article");
    assert!(article.body.contains("£79 a month") && article.body.contains("10,000"), "{}", article.body);
    assert!(article.body.contains("unlimited") && !article.body.contains("{{"), "{}", article.body);
    let for_staff = bench.article(&Caller::staff(), "plan-growth").await.expect("an article");
    assert!(for_staff.body.contains("{{price.plan.growth.monthly}}"));
}

#[tokio::test]
async fn without_billing_no_price_is_guessed() {
    let bench = Bench::start().await;
    let status = refused(bench.article(&Caller::anonymous(), "plan-growth").await);
    assert_eq!(reason(&status), "ARTICLE_UNFILLED");
    assert!(bench.article(&Caller::anonymous(), "support-hours").await.is_ok(), "rules of ours are known");
    let status = refused(bench.article(&Caller::anonymous(), "nothing").await);
    assert_eq!(reason(&status), "ARTICLE_NOT_FOUND");
}

#[tokio::test]
async fn a_passage_with_a_price_is_quoted_only_if_the_price_is_known() {
    const QUESTION: &str = "What is the price of the Growth plan?";
    let billing = FakeBilling::start(Plan::Growth).await;
    let bench = Bench::start_with(&billing).await;
    let turn = bench.chat(Caller::anonymous()).await.say(QUESTION).await;
    assert!(turn.reply.contains("£79 a month"), "{}", turn.reply);
    let bench = Bench::start().await;
    let turn = bench.chat(Caller::anonymous()).await.say(QUESTION).await;
    assert!(!turn.reply.contains('£') && !turn.reply.contains("{{"), "{}", turn.reply);
}
