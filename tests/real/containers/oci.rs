//! Under runc and crun, the way a kubelet with strict policies has them run a container: read-only root, a uid without
//! an entry, no capabilities, no new privileges.

use super::{code, make_root, run};
use crate::ensure;
use crate::harness::ear::Ear;
use crate::harness::needs::Need;
use crate::harness::{Case, Outcome, Scene, ground, patience, until};
use crate::{endpoints, http};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// The stories of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case::own("a strict container of runc lives a whole life", |scene| {
            strict_life(scene, "runc")
        })
        .needing(Need::Program("runc"))
        .needing(Need::Program("busybox")),
        Case::own("a strict container of crun lives a whole life", |scene| {
            strict_life(scene, "crun")
        })
        .needing(Need::Program("crun"))
        .needing(Need::Program("busybox")),
        Case::own(
            "a container of runc that cannot start its command says why and has its code",
            |scene| cannot_start(scene, "runc"),
        )
        .needing(Need::Program("runc"))
        .needing(Need::Program("busybox")),
    ]
}

/// The runtime, in a mount namespace where [`hybrid_in_the_way`] is out of the way.
fn runtime_command(runtime: &str) -> Command {
    let mut command = Command::new(runtime);
    if hybrid_in_the_way() {
        // SAFETY: bare system calls between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let nothing = std::ptr::null();
                let made = libc::unshare(libc::CLONE_NEWNS) == 0
                    && libc::mount(
                        c"none".as_ptr(),
                        c"/".as_ptr(),
                        nothing,
                        libc::MS_REC | libc::MS_PRIVATE,
                        nothing.cast(),
                    ) == 0
                    && libc::umount2(c"/sys/fs/cgroup/unified".as_ptr(), libc::MNT_DETACH) == 0;
                match made {
                    true => Ok(()),
                    false => Err(std::io::Error::last_os_error()),
                }
            });
        }
    }
    command
}

/// Whether this machine has version 1 of cgroups and beside it a version 2 with controllers, which crun refuses.
pub fn hybrid_in_the_way() -> bool {
    std::fs::read_to_string("/sys/fs/cgroup/unified/cgroup.controllers")
        .is_ok_and(|list| !list.trim().is_empty())
}

struct Container {
    runtime: &'static str,
    id: String,
    scene_dir: std::path::PathBuf,
    child: Child,
}

impl Container {
    fn start(
        scene: &Scene,
        runtime: &'static str,
        argv: &[&str],
        env: &[String],
    ) -> Outcome<Container> {
        let bundle = scene.dir.join("bundle");
        make_root(&bundle.join("rootfs"))?;
        let config = config(argv, env);
        std::fs::write(bundle.join("config.json"), config.to_string())
            .map_err(|why| why.to_string())?;
        let id = scene
            .dir
            .to_string_lossy()
            .replace('/', "-")
            .trim_start_matches('-')
            .to_owned();
        let words = File::create(scene.dir.join("words")).map_err(|why| why.to_string())?;
        let again = words.try_clone().map_err(|why| why.to_string())?;
        let child = runtime_command(runtime)
            .arg("--root")
            .arg(scene.dir.join("state"))
            .args(["run", "--bundle"])
            .arg(&bundle)
            .arg(&id)
            .stdin(Stdio::null())
            .stdout(words)
            .stderr(again)
            .spawn()
            .map_err(|why| format!("{runtime}: {why}"))?;
        Ok(Container {
            runtime,
            id,
            scene_dir: scene.dir.clone(),
            child,
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.runtime);
        command
            .arg("--root")
            .arg(self.scene_dir.join("state"))
            .args(words);
        command
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.scene_dir.join("words")).unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Whatever is gone already is what was wanted.
        let _ = run(&mut self.command(&["delete", "--force", &self.id]));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(argv: &[&str], env: &[String]) -> serde_json::Value {
    let ground = ground().to_string_lossy();
    serde_json::json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 12345, "gid": 12345 },
            "args": argv,
            "env": env,
            "cwd": "/",
            "noNewPrivileges": true,
            "capabilities": {
                "bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []
            }
        },
        "root": { "path": "rootfs", "readonly": true },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
            { "destination": ground, "type": "bind", "source": ground, "options": ["bind", "rw"] }
        ],
        "linux": {
            "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }]
        }
    })
}

fn strict_life(scene: &Scene, runtime: &'static str) -> Outcome {
    let mut ear = Ear::new(&scene.ear_path())?;
    let port = http::free_port()?;
    let address = format!("127.0.0.1:{port}");
    let step = scene.script_line("say step");
    let command = scene.script_line(
        "block 15 orphan { setsid block 15 say escaped wait 15 sleep 100 say obeyed } report say up wait 15 exit 12",
    );
    let mut argv = vec!["/monopod", "--init", &step, "--"];
    argv.extend(command.split(' '));
    let env = [format!("MONOPOD_HEALTH={address}"), "PATH=/bin".to_owned()];
    let mut container = Container::start(scene, runtime, &argv, &env)?;
    let heard = |why: String| format!("{why}; {runtime} said {:?}", container.said());
    ear.expect_next("step").map_err(heard)?;
    let mut lines = Vec::new();
    while !["up", "escaped"]
        .iter()
        .all(|words| lines.iter().any(|line| line == words))
    {
        lines.push(ear.line()?);
    }
    for wanted in ["uid 12345", "open 0,1,2", "parent 1"] {
        ensure!(
            lines.iter().any(|line| line == wanted),
            "no {wanted:?} in {lines:?}"
        );
    }
    endpoints::becomes(port, "/readyz", 200)?;
    run(&mut container.command(&["exec", &container.id, "/monopod", "probe", "ready"]))?;
    run(&mut container.command(&["kill", &container.id, "TERM"]))?;
    let code = code(&mut container.child)?;
    ensure!(
        code == 12,
        "the runtime's code is {code}: {:?}",
        container.said()
    );
    ear.expect("obeyed")
}

fn cannot_start(scene: &Scene, runtime: &'static str) -> Outcome {
    let env = ["PATH=/bin".to_owned()];
    let mut container = Container::start(scene, runtime, &["/monopod", "no-such-program"], &env)?;
    let code = code(&mut container.child)?;
    ensure!(
        code == 127,
        "the runtime's code is {code}: {:?}",
        container.said()
    );
    until("the line has come through", patience(), || {
        Ok(container.said().contains("no-such-program").then_some(()))
    })
}
