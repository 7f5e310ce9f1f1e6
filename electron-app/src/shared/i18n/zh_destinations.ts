/** Chinese texts of destinations that came after the first ones. */
import type { enDestinations } from './en_destinations';

export const zhDestinations: { readonly [Key in keyof typeof enDestinations]: string } = {
  kindRtp: 'RTP（播放器打开描述文件）',
  destinationRtpNote: 'RTP 没有密钥，也不会应答：拿到描述文件的人都能播放。开始推流时，描述文件会写在录制文件旁边。',
  destinationPlayersOpen: '播放器请打开',
  destinationProfile: '方案',
  destinationProfileNone: '手动选择',
  destinationProfileSave: '把当前开启的目的地存为方案',
  destinationProfileName: '方案名称',
  destinationProfileRemove: '删除此方案',
  destinationSteers: '主目的地未直播，暂由它决定码率',
  destinationSteersTitle: '主目的地没有在直播，因此画质跟随这一个。',
  problem_profiles_full: '方案太多',
  hint_profiles_full: '请先删除一个方案。',
  constantRate: '恒定帧率',
  constantRateTitle: '有目的地需要恒定帧率（RTMP、SRT 或 MPEG-TS），因此画面静止时也按全帧率编码。',
  problem_bad_rtp_url: '地址不完整',
  hint_bad_rtp_url: '请输入完整地址，例如 rtp://192.168.1.20:5004；其上的三个端口也会用到。',
  problem_nobody_listens: '那里没有接收端',
  hint_nobody_listens: '请启动接收端，并检查地址和端口；之后会自动推流。',
  problem_sdp_not_written: '无法写入播放器所需的描述文件',
  hint_sdp_not_written: '请为录制另选文件夹：描述文件就放在那里。',
  problem_bad_peer: '服务器发来了不合规范的数据',
  hint_bad_peer: '请检查地址；如果无误，请联系服务器管理员。',
};
