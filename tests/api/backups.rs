//! Backups over the API.

use seald::pipeline::control::Request;
use seald::pipeline::{Root, back_up};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{BackupView, BackupsView};

use crate::api::daemon::{Daemon, NOW};
use crate::api::reading::five;

#[tokio::test]
async fn a_backup_is_made_and_listed_with_what_it_holds() {
    let mut daemon = Daemon::start(five).await;
    let none: BackupsView = daemon.get("/v1/backups").await.json();
    assert!(none.backups.is_empty() && none.folder.ends_with("state/backups"), "{none:?}");
    let (root, store) = (Root::at(&daemon.root.file("")), daemon.store());
    let folder = root.backups();
    daemon.learner(move |desk| {
        let mut full = false;
        for request in desk.requests {
            let Request::BackUp(reply) = request else { panic!("{request:?}") };
            let made = if full {
                Err(Error::new(Kind::Io, "the disk is full"))
            } else {
                back_up(&root, &store, NOW, 3)
            };
            full = true;
            reply.send(made).unwrap();
        }
    });
    let answer = daemon.post("/v1/backups", "").await;
    assert_eq!(answer.status, 201);
    let made: BackupView = answer.json();
    assert_eq!((made.documents, made.at, made.error.as_deref()), (Some(5), NOW, None));
    assert!(made.bytes > 0 && made.events.is_some() && made.generations.is_some(), "{made:?}");
    std::fs::write(folder.join("seald-20300101T000000Z.db"), "no database at all").unwrap();
    let list: BackupsView = daemon.get("/v1/backups").await.json();
    assert_eq!(list.backups.len(), 2);
    assert_eq!(list.backups[1], made);
    let bad = &list.backups[0];
    assert!(bad.documents.is_none() && bad.error.as_ref().unwrap().contains("no database"), "{bad:?}");
    daemon.post("/v1/backups", "").await.is_problem(500, "io", "the disk is full");
}
