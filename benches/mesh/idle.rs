//! What processes take that have nothing to do, and how soon they are there.

use crate::mesh::Mesh;

/// Measures both.
pub(crate) async fn measure(mesh: &Mesh) -> anyhow::Result<()> {
    println!("start to ready, existing databases: {:.2} s", mesh.restart().await?.as_secs_f64());
    for (role, kib) in mesh.pss_kib()? {
        println!("PSS idle, {role}: {:.1} MB", kib as f64 / 1024.0);
    }
    mesh.double().await?;
    let all: u64 = mesh.pss_kib()?.into_iter().map(|(_, kib)| kib).sum();
    println!("PSS idle, two processes of each role, all six: {:.1} MB", all as f64 / 1024.0);
    mesh.restart().await?;
    Ok(())
}
