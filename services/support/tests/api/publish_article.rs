//! `PublishArticle`: from then on the assistant quotes it.

use levqor_proto_support::v1::{PublishArticleRequest, turn::Outcome};
use levqor_runtime::testing::{Caller, reason, refused};

use crate::{
    bench::{Bench, NOT_KNOWN},
    create_article::salmon,
};

impl Bench {
    pub(crate) async fn publish(&self, slug: &str) -> Result<(), tonic::Status> {
        let request = Caller::staff().request(PublishArticleRequest { slug: slug.to_owned() });
        self.articles().publish_article(request).await.map(drop)
    }
}

#[tokio::test]
async fn a_published_article_is_quoted() {
    let bench = Bench::start().await;
    bench.create_article(salmon()).await.expect("created");
    let chat = bench.chat(Caller::anonymous()).await;
    assert_eq!(chat.say(NOT_KNOWN).await.outcome(), Outcome::NotKnown);
    bench.publish("salmon").await.expect("published");
    let turn = chat.say(NOT_KNOWN).await;
    assert_eq!(turn.outcome(), Outcome::Answered, "{}", turn.reply);
    assert!(turn.reply.contains("A dry Riesling goes well with grilled salmon."), "{}", turn.reply);
    assert_eq!(turn.sources[0].heading, "White");
    assert_eq!(reason(&refused(bench.publish("nothing").await)), "ARTICLE_NOT_FOUND");
}
