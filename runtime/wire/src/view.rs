//! The one shape of all protocol files: declare the fields, get the view, the value and the table.

/// What a protocol's check found: how long the header is, and where its payload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Header length in bytes, options included; within the buffer.
    pub header: usize,
    /// End of the payload in bytes from the header's start; between `header` and the buffer's end.
    pub end: usize,
    /// A length field claims more bytes than the buffer holds.
    pub cut: bool,
}

impl Extent {
    /// A header of `header` bytes whose payload goes to the end of `buf`.
    pub(crate) fn open(buf: &[u8], header: usize) -> Extent {
        Extent {
            header,
            end: buf.len(),
            cut: false,
        }
    }

    /// A header of `header` bytes whose length field puts the end at `total`.
    pub(crate) fn closed(buf: &[u8], header: usize, total: usize) -> Extent {
        let end = total.clamp(header, buf.len().max(header));
        Extent {
            header,
            end,
            cut: total > buf.len(),
        }
    }
}

/// Declares a protocol header: view, `Repr` and `FIELDS`.
///
/// `check` is `fn(&[u8]) -> Result<Extent, Error>` and must not accept fewer than `fixed` bytes.
macro_rules! protocol {
    (
        $(#[$doc:meta])*
        $name:literal, fixed $fixed:literal, check $check:path;
        $( $(#[$fdoc:meta])* $field:ident / $set:ident : $ty:ty = $bit:literal, $width:literal, $show:ident; )*
    ) => {
        /// Bytes of the fixed part of the header.
        pub const FIXED: usize = $fixed;

        /// The fixed fields, in wire order.
        pub const FIELDS: &[$crate::FieldDef] = &[
            $( $crate::FieldDef {
                name: stringify!($field), bit: $bit, width: $width, show: $crate::Show::$show,
            } ),*
        ];

        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Packet<T> {
            buf: T,
            extent: $crate::view::Extent,
        }

        impl<T: AsRef<[u8]>> Packet<T> {
            /// A view over `buf`, which starts with this header.
            ///
            /// # Errors
            /// If `buf` is too short for the header or a field contradicts the protocol.
            pub fn new_checked(buf: T) -> Result<Self, $crate::Error> {
                let extent = $check(buf.as_ref())?;
                Ok(Packet { buf, extent })
            }

            /// The bytes the view was made of.
            pub fn into_inner(self) -> T {
                self.buf
            }

            /// The whole header, options included.
            pub fn header(&self) -> &[u8] {
                self.buf.as_ref().get(..self.extent.header).unwrap_or_default()
            }

            /// What follows the fixed part of the header: options, context, ....
            pub fn options(&self) -> &[u8] {
                self.header().get(FIXED..).unwrap_or_default()
            }

            /// The payload, up to the end that the header's length field states.
            pub fn payload(&self) -> &[u8] {
                self.buf.as_ref().get(self.extent.header..self.extent.end).unwrap_or_default()
            }

            /// Header length in bytes, options included.
            pub fn header_len(&self) -> usize {
                self.extent.header
            }

            /// Whether a length field claims more bytes than there are.
            pub fn is_cut(&self) -> bool {
                self.extent.cut
            }

            #[allow(dead_code, reason = "not every protocol is walked by `Layers`")]
            pub(crate) fn extent(&self) -> $crate::view::Extent {
                self.extent
            }

            $(
                $(#[$fdoc])*
                pub fn $field(&self) -> $ty {
                    <$ty as $crate::FieldValue>::from_bits(
                        $crate::get_bits(self.buf.as_ref(), $bit, $width))
                }
            )*
        }

        impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
            $(
                #[doc = concat!("Sets `", stringify!($field), "`. Lengths and checksums are not \
                                 adjusted, nor is the view's idea of them.")]
                pub fn $set(&mut self, value: $ty) {
                    $crate::set_bits(self.buf.as_mut(), $bit, $width,
                                     <$ty as $crate::FieldValue>::to_bits(value));
                }
            )*
        }

        #[doc = concat!("The ", $name, " header as a value; [`Repr::emit`] writes exactly these fields.")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Repr {
            $( $(#[$fdoc])* pub $field: $ty, )*
            /// Header bytes after the fixed part: options, context, ....
            pub options: Vec<u8>,
        }

        impl Repr {
            /// The header of a view.
            pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Repr {
                Repr { $( $field: packet.$field(), )* options: packet.options().to_vec() }
            }

            /// Header length in bytes.
            #[must_use]
            pub fn header_len(&self) -> usize {
                FIXED + self.options.len()
            }

            /// The header's bytes, exactly as the fields say (nothing is computed).
            #[must_use]
            pub fn emit(&self) -> Vec<u8> {
                let mut out = vec![0; FIXED];
                $( $crate::set_bits(&mut out, $bit, $width,
                                    <$ty as $crate::FieldValue>::to_bits(self.$field)); )*
                out.extend_from_slice(&self.options);
                out
            }
        }
    };
}
