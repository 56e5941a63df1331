
control SamplerDeparser(packet_out pkt, in sampler_headers_t hdr, in metadata_t meta,
                        in pna_main_output_metadata_t ostd) {
    apply {
        pkt.emit(hdr.report);
    }
}

PNA_NIC(SamplerParser(), SamplerPre(), Sampler(), SamplerDeparser()) main;
