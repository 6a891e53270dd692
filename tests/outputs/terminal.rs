//! Standard output that is a terminal.

use std::io::ErrorKind;
use std::process::Command;

use super::*;
use crate::environment::REGROW;

#[test]
fn an_image_is_not_written_to_a_terminal() {
    let env = TestEnvironment::new();
    env.make("app", &noise("app", 10_000));
    let on_terminal = |arguments: &str| {
        let mut command = Command::new("script");
        command.current_dir(env.root()).env("REGROW_MIN_AVG_SIZE", "64").env("HOME", env.root());
        command.env("REGROW_STATE", env.path("home-state"));
        command.args(["--quiet", "--return", "--command", &format!("{REGROW} {arguments}"), "/dev/null"]);
        match command.stdin(std::process::Stdio::null()).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            output => Some(output.unwrap()),
        }
    };
    let Some(refused) = on_terminal("extract app.rgx -") else { return pass_over("there is no script(1)") };
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("standard output is a terminal") && said.len() < 300, "{said}");
    assert_eq!(on_terminal("extract --dry-run app.rgx -").unwrap().status.code(), Some(0));
    let forced = on_terminal("extract --force app.rgx -").unwrap();
    assert!(forced.status.success() && forced.stdout.len() > 9_000);
}
