//! The root file system of the pods' image: busybox with all its applets, nginx, and redis, with the libraries that they
//! name. As small as an image of somebody who cares.

use crate::containers::{make_root, run};
use crate::harness::Outcome;
use crate::harness::inits::which;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// One worker, errors to standard error, everything else as nginx would have it.
const NGINX: &str = "user root;
worker_processes 1;
error_log stderr;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    server { listen 80; root /var/www/html; }
}
";

/// Makes it.
pub fn make(dir: &Path) -> Outcome {
    make_root(dir)?;
    let words = |why: std::io::Error| format!("making {}: {why}", dir.display());
    for name in [
        "etc/nginx",
        "var/lib/nginx",
        "var/log/nginx",
        "var/www/html",
    ] {
        std::fs::create_dir_all(dir.join(name)).map_err(words)?;
    }
    for (name, text) in [
        ("etc/nginx/nginx.conf", NGINX),
        ("etc/passwd", "root:x:0:0:root:/:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("var/www/html/index.html", "it works\n"),
    ] {
        std::fs::write(dir.join(name), text).map_err(words)?;
    }
    for program in ["nginx", "redis-server", "redis-cli"] {
        copy_program(dir, program)?;
    }
    let applets = run(Command::new("busybox").arg("--list"))?;
    for applet in applets.lines() {
        let link = dir.join("bin").join(applet);
        if !link.exists() {
            symlink("busybox", link).map_err(words)?;
        }
    }
    Ok(())
}

fn copy_program(dir: &Path, name: &str) -> Outcome {
    let program = which(name).ok_or_else(|| format!("no {name}"))?;
    let libraries = run(Command::new("ldd").arg(&program))?;
    let libraries = libraries
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(Path::new);
    for file in libraries.chain([program.as_path()]) {
        let below = file.strip_prefix("/").unwrap_or(file);
        let to = match file == program {
            true => dir.join("bin").join(name),
            false => dir.join(below),
        };
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(|why| why.to_string())?;
        }
        std::fs::copy(file, &to).map_err(|why| format!("{}: {why}", file.display()))?;
    }
    Ok(())
}
