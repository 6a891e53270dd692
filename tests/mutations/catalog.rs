//! Catalogs with changed bytes, and with changed rows whose checksums hold. They cost time, but change no output.

use rusqlite::{Connection, params};

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;
use crate::server::{Answer, Server};

/// The checksum of a row, as the catalog computes it.
fn checksum(parts: [&[u8]; 4]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("regrow 2026 catalog seed v1");
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

type Row = (i64, Vec<u8>, String, Vec<u8>, Vec<u8>);

/// Changes the blob of a row, or replaces it by the blob of another.
fn change_row(path: &std::path::Path, chance: &mut Chance) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    let mut statement = connection.prepare("SELECT rowid, name, rules, state, blob FROM entries ORDER BY rowid")?;
    let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let rows: Vec<Row> = statement.query_map([], columns)?.collect::<Result<_, _>>()?;
    let (id, name, rules, state, mut blob) = rows[chance.below(rows.len())].clone();
    if chance.one_in(6) {
        blob = rows[chance.below(rows.len())].4.clone();
    } else {
        chance.mutate(&mut blob);
    }
    let sum = checksum([&name, rules.as_bytes(), &state, &blob]);
    connection.execute("UPDATE entries SET blob = ?1, checksum = ?2 WHERE rowid = ?3", params![blob, &sum[..], id])?;
    Ok(())
}

#[test]
fn catalogs() {
    let site = Site::new(false);
    // This makes the index remembered with its ETag; seeds are remembered only if they are not fresh.
    let server =
        Server::with(
            site.env.root(),
            |request| {
                if request.path.ends_with(".rgx") { Answer::Tagged } else { Answer::Serve }
            },
        );
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let extract = format!("--catalog catalog --seed old {}", server.url("app.rgx"));
    for name in ["out", "other"] {
        site.env.run(&format!("extract -q {extract} {name}")).success();
    }
    let right = site.env.read("catalog");
    Judge::all("catalog", &site.env, |judge, chance| {
        let mut bytes = right.clone();
        if chance.one_in(3) {
            chance.mutate(&mut bytes);
            site.env.write("catalog", &bytes);
        } else {
            change_row(&site.env.write("catalog", &bytes), chance).unwrap();
        }
        let succeeded = judge.extract(&extract, b"old", &site.image);
        judge.expect(succeeded, "a catalog stood in the way");
        if chance.one_in(3) {
            judge.run(&format!("extract -q --dry-run {extract} never"));
        }
    });
}
