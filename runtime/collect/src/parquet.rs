//! Records as an Apache Parquet file, for any engine that queries tables.
//!
//! | column | type | meaning |
//! |--------|------|---------|
//! | `id`, `visit`, `digest` | unsigned, 64 bits | as in [`Record`] |
//! | `element`, `point` | text | `point` is `in`, `out` or `drop` |
//! | `port` | unsigned, 16 bits | |
//! | `time` | timestamp in nanoseconds, UTC | of the element's clock |
//! | `len`, `mark`, `meta` | unsigned, 32 bits | |
//! | `tag` | unsigned, 64 bits, or null | |
//! | `packet` | bytes | the first bytes of the frame |
//! | `reason` | text, or null | why a packet was dropped |
//! | `cycles`, `bytes`, `memory` | unsigned, 64 bits, or null | what the visit used up, in its second record |
//! | `work` | JSON, or null | look-ups and state ([`trisect_sample::Work`]) |

use std::io::Write;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use trisect_sample::{Point, Record, Work};

/// The columns, in their order.
const SCHEMA: &str = "message record {
    required int64 id (INTEGER(64,false));
    required binary element (STRING);
    required int64 visit (INTEGER(64,false));
    required binary point (STRING);
    required int32 port (INTEGER(16,false));
    required int64 time (TIMESTAMP(NANOS,true));
    required int32 len (INTEGER(32,false));
    required int64 digest (INTEGER(64,false));
    required int32 mark (INTEGER(32,false));
    required int32 meta (INTEGER(32,false));
    optional int64 tag (INTEGER(64,false));
    required binary packet;
    optional binary reason (STRING);
    optional int64 cycles (INTEGER(64,false));
    optional int64 bytes (INTEGER(64,false));
    optional int64 memory (INTEGER(64,false));
    optional binary work (JSON);
}";

/// Records that are written together, as one row group.
const GROUP: usize = 65_536;

/// Writes records into a file.
pub struct ParquetWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    group: Vec<Record>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(out: W) -> Result<ParquetWriter<W>, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = Arc::new(WriterProperties::builder().build());
        Ok(ParquetWriter {
            writer: SerializedFileWriter::new(out, schema, properties)?,
            group: Vec::new(),
        })
    }

    /// Takes a record.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, record: Record) -> Result<(), ParquetError> {
        self.group.push(record);
        if self.group.len() < GROUP {
            return Ok(());
        }
        self.flush()
    }

    /// Ends the file; gives what it was written to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        self.flush()?;
        self.writer.into_inner()
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let records = std::mem::take(&mut self.group);
        if records.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let work = |r: &Record| r.work.as_deref().cloned();
        let used = |of: fn(&Work) -> u64| move |r: &Record| work(r).map(|w| of(&w) as i64);
        let out = &mut group;
        column::<Int64Type, _>(out, &records, |r| Some(r.id as i64))?;
        column::<ByteArrayType, _>(out, &records, |r| Some(text(&r.element)))?;
        column::<Int64Type, _>(out, &records, |r| Some(r.visit as i64))?;
        column::<ByteArrayType, _>(out, &records, |r| Some(text(name(r.point))))?;
        column::<Int32Type, _>(out, &records, |r| Some(i32::from(r.port)))?;
        column::<Int64Type, _>(out, &records, |r| Some(r.time_ns as i64))?;
        column::<Int32Type, _>(out, &records, |r| Some(r.len as i32))?;
        column::<Int64Type, _>(out, &records, |r| Some(r.digest as i64))?;
        column::<Int32Type, _>(out, &records, |r| Some(r.mark as i32))?;
        column::<Int32Type, _>(out, &records, |r| Some(r.meta as i32))?;
        column::<Int64Type, _>(out, &records, |r| r.tag.map(|t| t as i64))?;
        column::<ByteArrayType, _>(out, &records, |r| Some(r.packet.clone().into()))?;
        column::<ByteArrayType, _>(out, &records, |r| {
            let work = r.work.as_ref().filter(|w| !w.reason.is_empty());
            work.map(|w| text(&w.reason))
        })?;
        column::<Int64Type, _>(out, &records, used(|w| w.used.cycles))?;
        column::<Int64Type, _>(out, &records, used(|w| w.used.bytes))?;
        column::<Int64Type, _>(out, &records, used(|w| w.used.memory))?;
        column::<ByteArrayType, _>(out, &records, |r| {
            // What is made of names and numbers has a text.
            let text = serde_json::to_vec(r.work.as_ref()?).unwrap_or_default();
            Some(text.into())
        })?;
        group.close()?;
        Ok(())
    }
}

fn name(point: Point) -> &'static str {
    match point {
        Point::In => "in",
        Point::Out => "out",
        Point::Drop => "drop",
    }
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// Writes the next column: of each record its value, if it has one.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    records: &[Record],
    value: impl Fn(&Record) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more values than columns".into()));
    };
    let values: Vec<Option<T::T>> = records.iter().map(value).collect();
    let there: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    // Columns that are required have no levels; those given are not looked at there.
    column
        .typed::<T>()
        .write_batch(&values, Some(&there), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use trisect_sample::Used;

    fn record(visit: u64) -> Record {
        let work = Work {
            reason: "acl".into(),
            used: Used {
                cycles: 7,
                bytes: 60,
                memory: 9,
            },
            ..Work::default()
        };
        Record {
            id: u64::MAX - visit,
            element: "tor".into(),
            visit,
            point: if visit.is_multiple_of(2) {
                Point::In
            } else {
                Point::Drop
            },
            port: 65_535,
            time_ns: 1_763_726_400_000_000_000,
            len: 60,
            digest: 1 << 63,
            mark: u32::MAX,
            meta: 0,
            tag: visit.is_multiple_of(3).then_some(visit),
            packet: vec![1, 2, 3],
            work: (visit % 2 == 1).then(|| Box::new(work)),
        }
    }

    /// More than one row group, read back by the library's own reader.
    #[test]
    fn what_is_written_reads_back() {
        let records: Vec<Record> = (0..GROUP as u64 + 10).map(record).collect();
        let mut writer = ParquetWriter::new(Vec::new()).unwrap();
        for record in &records {
            writer.push(record.clone()).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let mut read = 0;
        for (row, record) in reader.get_row_iter(None).unwrap().zip(&records) {
            let row = row.unwrap();
            assert_eq!(row.get_ulong(0).unwrap(), record.id);
            assert_eq!(row.get_string(1).unwrap(), "tor");
            assert_eq!(row.get_string(3).unwrap(), name(record.point));
            assert_eq!(row.get_ushort(4).unwrap(), record.port);
            assert_eq!(row.get_ulong(7).unwrap(), record.digest);
            assert_eq!(row.get_uint(8).unwrap(), record.mark);
            assert_eq!(row.get_ulong(10).ok(), record.tag);
            assert_eq!(row.get_bytes(11).unwrap().data(), [1, 2, 3]);
            assert_eq!(
                row.get_ulong(13).ok(),
                record.work.as_ref().map(|w| w.used.cycles)
            );
            read += 1;
        }
        assert_eq!(read, records.len());
    }

    #[test]
    fn no_records_are_a_file_without_rows() {
        let bytes = ParquetWriter::new(Vec::new()).unwrap().finish().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }
}
