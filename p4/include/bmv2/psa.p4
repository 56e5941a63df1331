// PSA as BMv2's psa_switch has it: the widths that psa.p4 chooses are its own.
#include <psa.p4>
