//! What a look at many files costs at least: open, read the first 4 KiB, close, on so many threads.
//!
//! `floor DIR THREADS` prints files and seconds. Names are listed before the clock starts, and shared out evenly.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let threads = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(1);
    let mut files = Vec::new();
    list(&folder, &mut files)?;
    let share = files.len().div_ceil(threads).max(1);
    let start = Instant::now();
    thread::scope(|scope| {
        let looking: Vec<_> = files.chunks(share).map(|some| scope.spawn(|| look(some))).collect();
        looking
            .into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(std::io::Error::other("a panic"))))
    })?;
    #[expect(clippy::print_stdout, reason = "what whoever started this reads")]
    {
        println!("{} {}", files.len(), start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn look(files: &[PathBuf]) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    for path in files {
        std::hint::black_box(File::open(path)?.read(&mut bytes)?);
    }
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => list(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
