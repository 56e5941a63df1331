control apply_(inout bit<8> key, inout bit<8> actions, inout bit<8> state, inout bit<8> type, inout bit<8> entries) {
    bit<8> list = 1; bit<8> priority = 2; bit<8> size = 3;
    apply { key = list; actions = priority; state = type + size; entries = key < list ? key : list; }
}
