//! As much of Thrift's binary protocol as talking to simple_switch's control plane takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Double(f64),
    I32(i32),
    I64(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(Vec<(i16, Value)>),
}

impl Value {
    fn kind(&self) -> u8 {
        match self {
            Self::Double(_) => 4,
            Self::I32(_) => 8,
            Self::I64(_) => 10,
            Self::Bytes(_) => 11,
            Self::Struct(_) => 12,
            Self::List(_) => 15,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Double(value) => out.extend(value.to_be_bytes()),
            Self::I32(value) => out.extend(value.to_be_bytes()),
            Self::I64(value) => out.extend(value.to_be_bytes()),
            Self::Bytes(bytes) => {
                out.extend((bytes.len() as i32).to_be_bytes());
                out.extend(bytes);
            }
            Self::List(items) => {
                out.push(items.first().map_or(12, Self::kind));
                out.extend((items.len() as i32).to_be_bytes());
                items.iter().for_each(|item| item.write(out));
            }
            Self::Struct(fields) => {
                for (id, value) in fields {
                    out.push(value.kind());
                    out.extend(id.to_be_bytes());
                    value.write(out);
                }
                out.push(0);
            }
        }
    }

    /// The field of a struct.
    pub fn field(&self, wanted: i16) -> Option<&Value> {
        let Self::Struct(fields) = self else {
            return None;
        };
        fields
            .iter()
            .find(|(id, _)| *id == wanted)
            .map(|(_, value)| value)
    }

    /// A whole number.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::I32(value) => Some(i64::from(*value)),
            Self::I64(value) => Some(*value),
            _ => None,
        }
    }
}

/// Text.
pub fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

/// A connection to the switch's control plane.
pub struct Client(TcpStream);

impl Client {
    /// Waits until the switch takes the connection.
    pub fn connect(port: u16) -> Self {
        let start = Instant::now();
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => return Self(stream),
                Err(error) if start.elapsed() > Duration::from_secs(30) => {
                    panic!("no control plane on port {port}: {error}")
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Calls a method of the standard service in the only context; the arguments follow it.
    pub fn call(&mut self, method: &str, arguments: Vec<Value>) -> Option<Value> {
        let context = (1, Value::I32(0));
        let arguments = [context].into_iter().chain((2..).zip(arguments));
        self.ask(&format!("standard:{method}"), arguments.collect())
    }

    /// Lets packets that are cloned to a session leave by a port.
    pub fn mirror(&mut self, session: u32, port: u16) {
        let config = Value::Struct(vec![(1, Value::I32(i32::from(port)))]);
        let arguments = vec![(1, Value::I32(session as i32)), (2, config)];
        self.ask("simple_switch:mirroring_session_add", arguments);
    }

    fn ask(&mut self, method: &str, arguments: Vec<(i16, Value)>) -> Option<Value> {
        let mut out = Vec::new();
        out.extend(0x8001_0001_u32.to_be_bytes());
        text(method).write(&mut out);
        out.extend(0_i32.to_be_bytes());
        Value::Struct(arguments).write(&mut out);
        self.0.write_all(&out).expect("the switch listens");
        let version = self.i32();
        assert_eq!(version as u32, 0x8001_0002, "{method} is answered");
        let _ = self.read(11);
        let _ = self.i32();
        let result = self.read(12);
        assert_eq!(result.field(1), None, "{method} is refused");
        result.field(0).cloned()
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).expect("the switch answers");
        bytes
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.bytes())
    }

    fn read(&mut self, kind: u8) -> Value {
        match kind {
            4 => Value::Double(f64::from_be_bytes(self.bytes())),
            8 => Value::I32(self.i32()),
            10 => Value::I64(i64::from_be_bytes(self.bytes())),
            11 => {
                let mut bytes = vec![0; self.i32() as usize];
                self.0.read_exact(&mut bytes).expect("the switch answers");
                Value::Bytes(bytes)
            }
            12 => {
                let mut fields = Vec::new();
                loop {
                    let [kind] = self.bytes();
                    if kind == 0 {
                        return Value::Struct(fields);
                    }
                    let id = i16::from_be_bytes(self.bytes());
                    fields.push((id, self.read(kind)));
                }
            }
            15 => {
                let [kind] = self.bytes();
                let count = self.i32();
                Value::List((0..count).map(|_| self.read(kind)).collect())
            }
            other => panic!("a value of type {other}"),
        }
    }
}
