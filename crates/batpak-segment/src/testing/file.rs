//! An open file of the disk, and its mappings.

use crate::file_system::{File, Mapping, SharedMapping};
use crate::testing::fault::Operation;
use crate::testing::faulty::FaultyFileSystem;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

#[derive(Debug)]
pub(crate) struct FaultyFile {
    pub(crate) file_system: FaultyFileSystem,
    pub(crate) inode: usize,
}

/// An offset as an index; a file cannot be larger than memory.
fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn half(len: usize, is_half: bool) -> usize {
    if is_half { len.div_ceil(2) } else { len }
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file_system.call(Operation::Read, |machine, is_half| {
            let inode = &machine.disk.inodes[self.inode];
            let from = index(offset)?.min(inode.len());
            let n = half(buf.len().min(inode.len() - from), is_half);
            inode.read(&mut buf[..n], from);
            machine.bytes_read += n as u64;
            machine.note(self.inode as u64);
            machine.note(offset);
            machine.note_bytes(&buf[..n]);
            Ok(n)
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file_system.let_happen(Operation::Write, Path::new(""));
        self.file_system.call(Operation::Write, |machine, is_half| {
            machine.note(self.inode as u64);
            machine.note(offset);
            machine.note_bytes(buf);
            let from = index(offset)?;
            let end = machine.disk.room(self.inode, from + half(buf.len(), is_half));
            if end <= from && !buf.is_empty() {
                machine.no_room(is_half);
                return Err(io::ErrorKind::StorageFull.into());
            }
            machine.disk.inodes[self.inode].write(&buf[..end - from], from);
            Ok(end - from)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.file_system.call(Operation::Length, |machine, _| Ok(machine.disk.inodes[self.inode].len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file_system.call(Operation::SetLength, |machine, _| {
            machine.note(self.inode as u64);
            machine.note(len);
            machine.disk.inodes[self.inode].set_len(index(len)?);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file_system.call(Operation::Allocate, |machine, is_half| {
            machine.note(self.inode as u64);
            machine.note(len);
            if !machine.disk.allocates {
                return Err(io::ErrorKind::Unsupported.into());
            }
            let (now, wanted) = (machine.disk.inodes[self.inode].len(), index(len)?);
            let possible = machine.disk.room(self.inode, wanted);
            let end = if is_half { usize::midpoint(now, possible.max(now)) } else { possible };
            machine.disk.inodes[self.inode].set_len(end.max(now));
            if end >= wanted {
                return Ok(());
            }
            machine.no_room(is_half);
            Err(io::ErrorKind::StorageFull.into())
        })
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        self.file_system.call(Operation::Map, |machine, is_half| {
            machine.note(self.inode as u64);
            machine.note(len);
            if is_half || !machine.disk.maps {
                return Ok(None);
            }
            let (inode, len) = (&mut machine.disk.inodes[self.inode], index(len)?);
            if inode.len() < len {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let bytes = inode.map(len);
            Ok(Some(Box::new(FaultyMapping(bytes)) as Box<dyn Mapping>))
        })
    }

    fn map_shared(&self, len: u64) -> io::Result<Option<Box<dyn SharedMapping>>> {
        self.file_system.call(Operation::Map, |machine, is_half| {
            machine.note(self.inode as u64);
            machine.note(len);
            if is_half || !machine.disk.maps {
                return Ok(None);
            }
            let words = machine.disk.inodes[self.inode].map_shared(index(len)?);
            Ok(Some(Box::new(SharedFaultyMapping(words)) as Box<dyn SharedMapping>))
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.file_system.let_happen(Operation::Sync, Path::new(""));
        let result = self.file_system.call(Operation::Sync, |machine, _| {
            machine.note(self.inode as u64);
            machine.disk.inodes[self.inode].sync();
            Ok(())
        });
        let mut machine = self.file_system.machine();
        if result.is_err() && !machine.crashed {
            machine.disk.inodes[self.inode].lose_sync();
        }
        drop(machine);
        result
    }
}

#[derive(Debug)]
struct FaultyMapping(Arc<[u8]>);

impl AsRef<[u8]> for FaultyMapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping for FaultyMapping {}

#[derive(Debug)]
struct SharedFaultyMapping(Arc<[AtomicU64]>);

impl SharedMapping for SharedFaultyMapping {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}
