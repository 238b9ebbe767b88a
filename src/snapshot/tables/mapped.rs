//! A file of arrays that is mapped into memory instead of read: the cache of a loaded graph beside its Parquet files.
//!
//! The Parquet files are the snapshot; this is only what was made of them, kept so that it need not be made again. It is
//! therefore written for one manifest, held against it whenever it is opened, and thrown away where anything is not as it
//! should be. Layout: a head of 128 bytes (magic, version, SHA-256 of the manifest, length of the file, place, length and
//! sum of the directory, sum of the head), the arrays, each at a multiple of 64 bytes, and the directory as JSON. Numbers
//! are those of the machine that wrote it; another byte order does not know the magic.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use memmap2::Mmap;
use nix::fcntl::OFlag;
use polars_buffer::Buffer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::context::regular;

/// Name of the cache in a snapshot folder.
pub const CACHE: &str = "graph.cache";
/// What is being written, or was when its writer was killed.
const PARTIAL: &str = "graph.cache.partial";
/// To be counted up whenever anything in the file or its directory changes its meaning.
const VERSION: u64 = 2;
const MAGIC: u64 = u64::from_le_bytes(*b"sonograp");
/// Every array begins at a multiple of this: a line of the processor's cache, and enough for any element.
const ALIGNED: u64 = 64;

/// Whether a path within a snapshot is its cache, or what was left of writing one.
pub fn is_cache(path: &Path) -> bool {
    [CACHE, PARTIAL].iter().any(|name| path == Path::new(name))
}

/// Why a cache is not used; it is then made anew.
#[derive(Debug, Error)]
pub enum Unusable {
    /// There is none, or it cannot be opened.
    #[error("it cannot be opened")]
    Io(#[from] io::Error),
    /// It is damaged, of another version, or of another snapshot.
    #[error("{0}")]
    Not(&'static str),
    /// Its directory is not what this version writes.
    #[error("its directory cannot be read")]
    Directory(#[from] serde_json::Error),
    /// An array is not what a column is made of.
    #[error("an array is not what a column is made of")]
    Column(#[from] polars::error::PolarsError),
}

#[derive(Debug, Clone, Copy, Zeroable, Pod)]
#[repr(C)]
struct Head {
    magic: u64,
    version: u64,
    manifest: [u8; 32],
    length: u64,
    directory: u64,
    directory_bytes: u64,
    directory_sum: u64,
    unused: [u64; 5],
    /// Of all before it.
    sum: u64,
}

impl Head {
    fn summed(mut self) -> Self {
        let bytes = bytemuck::bytes_of(&self);
        self.sum = xxh3_64(&bytes[..bytes.len() - size_of::<u64>()]);
        self
    }
}

/// Where an array lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    at: u64,
    bytes: u64,
    sum: u64,
}

/// Names the snapshot a cache is of: the SHA-256 of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of([u8; 32]);

impl Of {
    /// The snapshot with this manifest.
    pub fn manifest(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// A cache that is being written; removed unless it is finished.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    file: BufWriter<File>,
    of: Of,
    at: u64,
    finished: bool,
}

impl Writer {
    /// Begins the cache in the snapshot folder `dir`; `None` where another process is at it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to.
    pub fn begin(dir: &Path, of: Of) -> io::Result<Option<Self>> {
        let path = dir.join(PARTIAL);
        // What a process left that was killed is written over: nobody holds its lock. A link is nothing of
        // ours, and a pipe nothing to wait for.
        let (mut options, careful) = (File::options(), (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let file = options.create(true).truncate(false).write(true).custom_flags(careful).open(&path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        // Opened while another process wrote it, it may have become the cache itself before the lock was ours. Only who
        // holds the lock renames, so what has its name now keeps it.
        let ours = file.metadata()?;
        let is_ours = |found: std::fs::Metadata| (found.dev(), found.ino()) == (ours.dev(), ours.ino());
        if !std::fs::symlink_metadata(&path).is_ok_and(is_ours) {
            return Ok(None);
        }
        file.set_len(0)?;
        let mut writer = Self {
            dir: dir.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
            of,
            at: 0,
            finished: false,
        };
        writer.raw(bytemuck::bytes_of(&Head::zeroed()))?;
        Ok(Some(writer))
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<Part> {
        let gap = self.at.next_multiple_of(ALIGNED) - self.at;
        self.file.write_all(&[0; ALIGNED as usize][..gap as usize])?;
        self.file.write_all(bytes)?;
        let part = Part { at: self.at + gap, bytes: bytes.len() as u64, sum: xxh3_64(bytes) };
        self.at = part.at + part.bytes;
        Ok(part)
    }

    /// Appends an array.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn put<T: Pod>(&mut self, values: &[T]) -> io::Result<Part> {
        self.raw(bytemuck::cast_slice(values))
    }

    /// Writes the directory and puts the file in its place at once, in that of an older one, too.
    ///
    /// # Errors
    ///
    /// When the disk refuses; then there is no new cache.
    pub fn finish(mut self, directory: &impl Serialize) -> io::Result<()> {
        let directory = self.raw(&serde_json::to_vec(directory)?)?;
        let head = Head {
            magic: MAGIC,
            version: VERSION,
            manifest: self.of.0,
            length: self.at,
            directory: directory.at,
            directory_bytes: directory.bytes,
            directory_sum: directory.sum,
            ..Head::zeroed()
        };
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(bytemuck::bytes_of(&head.summed()))?;
        self.file.flush()?;
        // Not flushed to the disk: what power loss tears, the sums find.
        std::fs::rename(self.dir.join(PARTIAL), self.dir.join(CACHE))?;
        self.finished = true;
        // Nobody writes to it again: readers map it.
        let mut rights = self.file.get_ref().metadata()?.permissions();
        rights.set_readonly(true);
        self.file.get_ref().set_permissions(rights)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is written over by the next one.
            let _ = std::fs::remove_file(self.dir.join(PARTIAL));
        }
    }
}

/// A cache in memory.
#[derive(Debug, Clone)]
pub struct Mapped {
    map: Arc<Mmap>,
}

impl Mapped {
    /// Maps the cache in the snapshot folder `dir`, and reads its directory.
    ///
    /// # Errors
    ///
    /// When there is none, or it is not a whole one of this version and snapshot.
    pub fn open<D: DeserializeOwned>(dir: &Path, of: Of) -> Result<(Self, D), Unusable> {
        let path = dir.join(CACHE);
        regular(&path)?;
        let file = File::open(path)?;
        if file.metadata()?.len() < size_of::<Head>() as u64 {
            return Err(Unusable::Not("it is too short"));
        }
        // SAFETY: a map is sound as long as nobody changes or cuts the file under it. This program never does: `Writer`
        // writes under another name, alone by a lock, makes sure that the file still has that name, and renames what is
        // complete; from then on the file is only opened here, for reading, without the right to write, and only ever
        // replaced by a rename or unlinked with its folder, both of which leave the mapped file itself as it is. Whoever overrides the rights and writes to it
        // while it is mapped breaks this, as with any program that maps files. What is read from the map is plain
        // numbers (`Pod`: every bit pattern is one), checked against sums before it is used.
        #[expect(unsafe_code, reason = "the one file of the memory-mapped cache")]
        let map = unsafe { Mmap::map(&file)? };
        let head: Head = bytemuck::pod_read_unaligned(&map[..size_of::<Head>()]);
        let refusals = [
            (head.magic != MAGIC, "it is no cache, or one of another kind of machine"),
            (head.summed().sum != head.sum, "its head is damaged"),
            (head.version != VERSION, "it is of another version"),
            (head.manifest != of.0, "it is of another snapshot"),
            (head.length != map.len() as u64, "it is cut off"),
        ];
        if let Some((_, why)) = refusals.into_iter().find(|(is_so, _)| *is_so) {
            return Err(Unusable::Not(why));
        }
        let mapped = Self { map: Arc::new(map) };
        let part = Part { at: head.directory, bytes: head.directory_bytes, sum: head.directory_sum };
        let directory = serde_json::from_slice(&mapped.map[mapped.checked(&part)?])?;
        Ok((mapped, directory))
    }

    /// The bytes of a part, if they are those that were written.
    fn checked(&self, part: &Part) -> Result<Range<usize>, Unusable> {
        let end = part.at.checked_add(part.bytes).filter(|&end| end <= self.map.len() as u64);
        let range = part.at as usize..end.ok_or(Unusable::Not("an array lies outside it"))? as usize;
        if xxh3_64(&self.map[range.clone()]) != part.sum {
            return Err(Unusable::Not("an array is damaged"));
        }
        Ok(range)
    }

    /// An array of `count` elements, checked, in place.
    ///
    /// # Errors
    ///
    /// When it is damaged, or not of that many elements of this type.
    pub fn get<T: Pod + Send>(&self, part: &Part, count: usize) -> Result<Buffer<T>, Unusable> {
        let range = self.checked(part)?;
        match bytemuck::try_cast_slice::<u8, T>(&self.map[range.clone()]) {
            Ok(values) if values.len() == count => {
                Ok(Buffer::from_owner(Slice { map: Arc::clone(&self.map), range, kind: PhantomData }))
            }
            _ => Err(Unusable::Not("an array has another length than its table")),
        }
    }
}

/// Part of a map that keeps it alive.
struct Slice<T> {
    map: Arc<Mmap>,
    range: Range<usize>,
    kind: PhantomData<T>,
}

impl<T: Pod> AsRef<[T]> for Slice<T> {
    fn as_ref(&self) -> &[T] {
        bytemuck::cast_slice(&self.map[self.range.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Of = Of([7; 32]);

    fn written(dir: &Path, values: &[u32]) {
        let mut writer = Writer::begin(dir, OF).expect("a folder").expect("nobody else");
        let letters = writer.put(b"abc").expect("written");
        let values = writer.put(values).expect("written");
        writer.finish(&(letters, values)).expect("finished");
    }

    fn opened(dir: &Path, of: Of, count: usize) -> Result<Vec<u32>, Unusable> {
        let (mapped, (letters, values)) = Mapped::open::<(Part, Part)>(dir, of)?;
        assert_eq!(&mapped.get::<u8>(&letters, 3)?[..], b"abc");
        Ok(mapped.get::<u32>(&values, count)?.to_vec())
    }

    #[test]
    fn arrays_come_back_and_outlive_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        written(dir.path(), &[1, 2, 3]);
        assert_eq!(opened(dir.path(), OF, 3).expect("whole"), [1, 2, 3]);
        let (mapped, (_, values)) = Mapped::open::<(Part, Part)>(dir.path(), OF).expect("whole");
        let kept = mapped.get::<u32>(&values, 3).expect("whole");
        // Another one takes its place, and both are what they were.
        written(dir.path(), &[4, 5]);
        drop(mapped);
        assert_eq!((&kept[..], opened(dir.path(), OF, 2).expect("whole")), (&[1, 2, 3][..], vec![4, 5]));
        let names: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").flatten().collect();
        assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
    }

    #[test]
    fn no_byte_of_it_can_change_unnoticed() {
        let dir = tempfile::tempdir().expect("a folder");
        written(dir.path(), &[1, 2, 3]);
        let path = dir.path().join(CACHE);
        let whole = std::fs::read(&path).expect("a file");
        let put = |bytes: &[u8]| {
            std::fs::remove_file(&path).expect("removed");
            std::fs::write(&path, bytes).expect("written");
        };
        let gaps: Vec<Range<usize>> = vec![131..192, 204..256];
        for at in (0..whole.len()).filter(|at| !gaps.iter().any(|gap| gap.contains(at))) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            put(&bytes);
            assert!(opened(dir.path(), OF, 3).is_err(), "byte {at} of {} is another one", whole.len());
        }
        for length in 0..whole.len() {
            put(&whole[..length]);
            assert!(opened(dir.path(), OF, 3).is_err(), "cut to {length} bytes");
        }
        put(&whole);
        assert!(opened(dir.path(), OF, 3).is_ok());
        assert!(opened(dir.path(), OF, 4).is_err(), "another count than the table's");
        let other = opened(dir.path(), Of([8; 32]), 3).expect_err("of another manifest");
        assert_eq!(other.to_string(), "it is of another snapshot");
    }

    #[test]
    fn one_writer_is_at_it_and_what_a_killed_one_left_is_written_over() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(PARTIAL), "half of something").expect("written");
        let first = Writer::begin(dir.path(), OF).expect("a folder").expect("nobody else");
        assert!(Writer::begin(dir.path(), OF).expect("a folder").is_none());
        drop(first);
        assert!(!dir.path().join(PARTIAL).exists() && !dir.path().join(CACHE).exists());
        written(dir.path(), &[9]);
        assert_eq!(opened(dir.path(), OF, 1).expect("whole"), [9]);

        // A link would lead the writer to something that is not ours.
        std::fs::write(dir.path().join("thesis"), "years of work").expect("written");
        std::os::unix::fs::symlink("thesis", dir.path().join(PARTIAL)).expect("linked");
        assert!(Writer::begin(dir.path(), OF).is_err());
        assert_eq!(std::fs::read(dir.path().join("thesis")).expect("a file"), b"years of work");
    }
}
