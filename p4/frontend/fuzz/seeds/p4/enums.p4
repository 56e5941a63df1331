enum Color { RED, GREEN, BLUE, }
enum bit<8> Proto { TCP = 6, UDP = 17 }
const Color c = Color.RED;
const bit<8> p = Proto.TCP;
