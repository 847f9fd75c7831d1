//! A large file passes through the gateway and billing in pieces, so their memory does not grow with it. If billing is killed
//! during an upload, the sweep removes the part that was stored.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use levqor_runtime::{
    client::local_http_client,
    id,
    testing::{Caller, eventually},
};
use serde_json::Value;

use super::{
    get,
    mail_provider::MailProvider,
    processes::{Mesh, Plan},
    shop::Shop,
    webhook,
};
use crate::roles::Role;

const MEBIBYTE: usize = 1 << 20;
/// The largest file.
const LARGEST: usize = 25 * MEBIBYTE;
const PIECE: usize = 64 << 10;
/// How much the memory of a process may grow while the largest file passes: enough for connections, not for the file.
const MOST_GROWTH: usize = 12 * MEBIBYTE;
const TIMEOUT: Duration = Duration::from_mins(1);

/// A mesh with a folder for files, and an order.
struct Stage {
    mesh: Mesh,
    gateway: SocketAddr,
    files: String,
    folder: PathBuf,
    _shop: Shop,
    _post: MailProvider,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Stage {
    async fn start() -> Self {
        let (mut shop, post) = (Shop::open(0), MailProvider::open(true));
        let folder = std::env::temp_dir().join(format!("levqor-uploads-{}", id::request_id()));
        let mut plan = Plan::new(1, &shop, &post).await;
        plan.settings.push(("LEVQOR_STORAGE_DIR", folder.to_string_lossy().into_owned()));
        let mesh = Mesh::start(plan).await;
        let gateway = mesh.addresses(Role::Gateway)[0];
        for body in shop.sell_by_hand() {
            assert_eq!(webhook(gateway, &body).await.expect("an answer").status, 200);
        }
        mesh.rest().await;
        let paid = "/v1/orders?payment_state=PAYMENT_STATE_PAID";
        let orders = get(gateway, &Caller::staff(), paid).await.expect("an answer");
        let files = format!("/v1/orders/{}/files", orders.str("/orders/0/order_id"));
        Self { mesh, gateway, files, folder, _shop: shop, _post: post }
    }

    /// Uploads this many bytes. Returns the file, if it was stored.
    async fn upload(&self, size: usize) -> Option<Value> {
        let pieces = (0..size / PIECE).map(|n| Bytes::from(vec![n.to_le_bytes()[0]; PIECE]));
        let body = reqwest::Body::wrap_stream(stream::iter(pieces).map(Ok::<_, std::convert::Infallible>));
        let request =
            local_http_client().ok()?.post(format!("http://{}{}?name=a.bin", self.gateway, self.files));
        let request = request.header("authorization", Caller::staff().authorization()?).timeout(TIMEOUT);
        let response = request.body(body).send().await.ok().filter(|response| response.status() == 200)?;
        response.json().await.ok()
    }

    /// Downloads a file. Returns how many of its bytes are those that were uploaded.
    async fn download(&self, file_id: &str) -> usize {
        let url = format!("http://{}{}/{file_id}:download", self.gateway, self.files);
        let request = local_http_client().expect("a client").get(url).timeout(TIMEOUT);
        let request = request.header("authorization", Caller::staff().authorization().expect("a token"));
        let mut pieces = request.send().await.expect("an answer").bytes_stream();
        let mut read = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.expect("a whole file");
            let same = |(n, byte): (usize, &u8)| *byte == ((read + n) / PIECE).to_le_bytes()[0];
            assert!(piece.iter().enumerate().all(same), "other bytes after {read}");
            read += piece.len();
        }
        read
    }

    /// The most memory that the gateway and billing have had so far, in bytes.
    fn peaks(&mut self) -> [usize; 2] {
        let ids = self.mesh.ids();
        [Role::Gateway, Role::Billing].map(|role| {
            let status = fs::read_to_string(format!("/proc/{}/status", ids[self.mesh.first(role)]));
            let status = status.expect("a process");
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
            let kibibytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
            kibibytes << 10
        })
    }

    /// The number of contents in the folder.
    fn contents(&self) -> usize {
        let orders = fs::read_dir(self.folder.join("orders")).into_iter().flatten().flatten();
        orders.map(|order| fs::read_dir(order.path()).into_iter().flatten().count()).sum()
    }
}

#[tokio::test]
async fn the_largest_file_passes_through_flat_memory() {
    let mut stage = Stage::start().await;
    // The first transfer allocates buffers of connections and everything else that is allocated only once.
    let first = stage.upload(4 * MEBIBYTE).await.expect("stored");
    assert_eq!(stage.download(first["file"]["file_id"].as_str().expect("an id")).await, 4 * MEBIBYTE);
    let before = stage.peaks();
    let file = stage.upload(LARGEST).await.expect("stored");
    assert_eq!(stage.download(file["file"]["file_id"].as_str().expect("an id")).await, LARGEST);
    let after = stage.peaks();
    for (role, before, after) in [("the gateway", before[0], after[0]), ("billing", before[1], after[1])] {
        println!("{role} grew by {} KiB while {LARGEST} bytes came and went", (after - before) >> 10);
        assert!(after - before < MOST_GROWTH, "{role} grew by {} bytes", after - before);
    }
    stage.mesh.rest().await;
}

#[tokio::test]
async fn the_parts_of_an_upload_to_a_killed_billing_are_swept() {
    let mut stage = Stage::start().await;
    let billing = stage.mesh.first(Role::Billing);
    // The upload ends before its last piece: billing is killed while it waits for more.
    let (pieces, sent) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = stream::unfold(sent, |mut sent| async {
        Some((Ok::<_, std::convert::Infallible>(sent.recv().await?), sent))
    });
    let url = format!("http://{}{}?name=a.bin", stage.gateway, stage.files);
    let request = local_http_client().expect("a client").post(url).body(reqwest::Body::wrap_stream(body));
    let request = request.header("authorization", Caller::staff().authorization().expect("a token"));
    let upload = levqor_runtime::testing::spawn(request.timeout(TIMEOUT).send());
    pieces.send(Bytes::from(vec![7; MEBIBYTE])).await.expect("sent");
    eventually("a part is stored", || async { (stage.contents() == 1).then_some(()) }).await;
    stage.mesh.kill(billing);
    drop(pieces);
    drop(upload.await);
    stage.mesh.spawn(billing, None);
    stage.mesh.listening(billing).await;
    stage.mesh.ready().await;
    assert_eq!(stage.contents(), 1, "billing was killed before it could remove the part");
    stage.mesh.advance(TimeDelta::hours(2)).await;
    eventually("the part is swept", || async { (stage.contents() == 0).then_some(()) }).await;
    stage.mesh.rest().await;
}
