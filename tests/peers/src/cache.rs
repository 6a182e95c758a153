//! Where installed tools are kept, and how several test processes install one thing once.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::Skip;

/// The folder of all tools that tests install: `${XDG_CACHE_HOME:-$HOME/.cache}/pipectl/tools`.
pub fn cache() -> Result<PathBuf, Skip> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let base = base.ok_or_else(|| Skip::new("neither XDG_CACHE_HOME nor HOME is set, so tools have no place"))?;
    made(base.join("pipectl/tools"))
}

/// Waits until no other process installs the same. Held until it is dropped.
pub fn lock(name: &str) -> Result<File, Skip> {
    let path = cache()?.join(format!("{name}.lock"));
    let file = File::create(&path).map_err(|error| Skip::new(format!("cannot make {}: {error}", path.display())))?;
    file.lock().map_err(|error| Skip::new(format!("cannot lock {}: {error}", path.display())))?;
    Ok(file)
}

/// The folder of one tool. If it is missing, `fill` puts the tool into a new folder, which takes its place only when
/// all has gone well: a process that is killed while it installs leaves nothing that looks installed.
pub(crate) fn installed(name: &str, fill: impl FnOnce(&Path) -> Result<(), Skip>) -> Result<PathBuf, Skip> {
    let home = cache()?;
    let folder = home.join(name);
    let _lock = lock(name)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    eprintln!("installing {name} into {} (once)", folder.display());
    let failed =
        |error: std::io::Error| Skip::new(format!("{name} cannot be installed into {}: {error}", home.display()));
    let begun = tempfile::Builder::new().prefix(&format!(".{name}-")).tempdir_in(&home).map_err(failed)?;
    fill(begun.path())?;
    fs::rename(begun.path(), &folder).map_err(failed)?;
    Ok(folder)
}

/// A folder for things that are no tools: reserved ports, servers that were started by hand.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Skip> {
    let tools = cache()?;
    made(tools.parent().unwrap_or(&tools).join(name))
}

fn made(folder: PathBuf) -> Result<PathBuf, Skip> {
    fs::create_dir_all(&folder).map_err(|error| Skip::new(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{cache, installed};
    use crate::Skip;

    #[test]
    fn what_fails_half_way_is_not_installed_and_what_succeeds_is_filled_once() {
        let name = format!("test-of-installing-{}", std::process::id());
        let half = |folder: &std::path::Path| {
            fs::write(folder.join("half"), "x").unwrap();
            Err(Skip::new("the network is down"))
        };
        assert_eq!(installed(&name, half).unwrap_err().to_string(), "skipped: the network is down");
        assert!(!cache().unwrap().join(&name).exists());
        let whole = |folder: &std::path::Path| {
            fs::write(folder.join("whole"), "x").unwrap();
            Ok(())
        };
        let folder = installed(&name, whole).unwrap();
        assert_eq!(installed(&name, |_| panic!("it is there")).unwrap(), folder);
        assert!(folder.join("whole").exists() && !folder.join("half").exists());
        fs::remove_dir_all(&folder).unwrap();
        fs::remove_file(cache().unwrap().join(format!("{name}.lock"))).unwrap();
    }

    #[test]
    fn many_that_want_one_tool_install_it_once() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let name = format!("test-of-a-race-{}", std::process::id());
        let filled = AtomicU32::new(0);
        let fill = |folder: &std::path::Path| {
            filled.fetch_add(1, Ordering::SeqCst);
            fs::write(folder.join("whole"), "x").unwrap();
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(installed(&name, fill).unwrap().join("whole").exists()));
            }
        });
        assert_eq!(filled.load(Ordering::SeqCst), 1);
        fs::remove_dir_all(cache().unwrap().join(&name)).unwrap();
        fs::remove_file(cache().unwrap().join(format!("{name}.lock"))).unwrap();
    }
}
