//! qcow2 images: the files of their guests are seen through, and clusters are made again bit for bit. They are made by mke2fs
//! and qemu-img; a machine that has none passes the tests over.

use std::process::Command;

use crate::coded_disk::write_tree;
use crate::environment::{TestEnvironment, pass_over};
use crate::report::{check_extract, check_make, number};
use crate::server::Server;

fn run(env: &TestEnvironment, command: &str) -> bool {
    let (program, arguments) = command.split_once(' ').unwrap();
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).env("PATH", path).env("SOURCE_DATE_EPOCH", "1700000000");
    command.current_dir(env.root()).output().is_ok_and(|output| output.status.success())
}

/// Makes a qcow2 with an ext4, and leaves that as `name` with `.raw` behind it. The result is `None`, and a line is
/// printed, if a program is not to be had.
fn qcow2(env: &TestEnvironment, name: &str, version: u64, options: &str) -> Option<Vec<u8>> {
    write_tree(env, version);
    let id = "c0ffee00-0000-4000-8000-000000000000";
    let made = run(env, &format!("mke2fs -q -F -t ext4 -U {id} -E hash_seed={id} -d tree-{version} {name}.raw 8M"))
        && run(env, &format!("qemu-img convert -q -f raw -O qcow2 {options} {name}.raw {name}"));
    if !made {
        pass_over(&format!("qcow2 images need mke2fs, and qemu-img convert {options}"));
    }
    made.then(|| env.read(name))
}

#[test]
fn qcow2_images_are_updated_by_what_their_clusters_hold() {
    for (options, encoder) in [
        ("-c -o cluster_size=16K", Some("deflate by zlib, level 6, window 12, memory level 9")),
        ("-o cluster_size=4K", None),
    ] {
        let env = TestEnvironment::new();
        let [old, new] = [("old.img", 1), ("new.img", 2)].map(|(name, version)| qcow2(&env, name, version, options));
        let (Some(_), Some(new)) = (old, new) else { continue };
        env.json("make old.rgx old.img");
        let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
        check_make(&made, &new);
        assert_eq!(number(&made["disk"], "files"), 89, "{made}");
        let info = env.json("info new.rgx");
        assert_eq!(number(&info, "walk_version"), 6);
        if let Some(encoder) = encoder {
            let found = info["coded"][0]["encoders"][0].as_str().unwrap();
            assert!(found.starts_with(encoder), "{info}");
        }
        let patch = number(&made["patches"][0], "bytes");
        assert!(patch < 25_000, "{options}: the patch has {patch} bytes");
        let server = Server::new(env.root());
        let url = server.url("new.rgx");
        let extracted = env.json(&format!("extract --seed old.img {url} out"));
        check_extract(&extracted, &new);
        assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
        env.remove("out");
        // The guest's disk without the container is a seed of its files, and so is the folder that it was made of.
        for seed in ["old.img", "old.img.raw", "tree-2"] {
            let extracted = env.json(&format!("extract --no-patch --seed {seed} {url} out"));
            assert!(env.read("out") == new);
            assert!(number(&extracted, "bytes_seed") > 2 * number(&extracted, "bytes_store"), "{seed}: {extracted}");
            env.remove("out");
        }
    }
}
