/** English texts of destinations that came after the first ones. */
export const enDestinations = {
  kindRtp: 'RTP (players open a description file)',
  destinationRtpNote: 'RTP has no key and no answer: whoever has the description file can play the stream. It is written beside your recordings when the stream begins.',
  destinationPlayersOpen: 'Players open',
  constantRate: 'constant rate',
  constantRateTitle: 'A destination needs a picture in each interval (RTMP, SRT or MPEG-TS), so a still screen is encoded at the full rate, too.',
  problem_bad_rtp_url: 'The address is not complete',
  hint_bad_rtp_url: 'Enter the whole address, such as rtp://192.168.1.20:5004; three ports above it are used, too.',
  problem_nobody_listens: 'Nobody receives the stream there',
  hint_nobody_listens: 'Start the receiver, and check its address and port; the stream goes there by itself then.',
  problem_sdp_not_written: 'The description for players could not be written',
  hint_sdp_not_written: 'Choose another folder for recordings: the description lies beside them.',
  problem_bad_peer: 'The server sends what no server may send',
  hint_bad_peer: 'Check the address; if it is right, tell whoever runs the server.',
} as const;
