import AVKit
import SwiftUI

/// The one screen: titles, how each stands, and what can be done with it.
struct TitlesScreen: View {
  @ObservedObject var screen: ScreenState

  var body: some View {
    NavigationView {
      List(screen.rows) { row in TitleRow(row: row, screen: screen) }
        .navigationTitle("Larder")
    }
    .navigationViewStyle(.stack)
    .task { await screen.load() }
    .sheet(isPresented: .constant(screen.player != nil), onDismiss: { screen.player = nil }) {
      VideoPlayer(player: screen.player)
        .onAppear { screen.player?.play() }
        .onDisappear { screen.player = nil }
    }
    .alert(screen.message ?? "", isPresented: .constant(screen.message != nil)) {
      Button("OK", action: screen.dismissMessage)
    }
  }
}

private struct TitleRow: View {
  let row: SampleModel.Row
  let screen: ScreenState

  var body: some View {
    VStack(alignment: .leading, spacing: 6) {
      Text(row.name).font(.headline)
      Text(row.headline).accessibilityIdentifier("\(row.id).headline")
      Text(row.detail).font(.footnote).foregroundColor(.secondary)
      Text(row.remedy ?? "").font(.footnote).accessibilityIdentifier("\(row.id).remedy")
      HStack {
        Button("Register") { screen.register(row.id) }
          .disabled(!row.canRegister).accessibilityIdentifier("\(row.id).register")
        Button("Play") { screen.play(row.id) }
          .disabled(!row.canPlay).accessibilityIdentifier("\(row.id).play")
        Button("Renew") { screen.renew(row.id) }
          .disabled(!row.canRenew).accessibilityIdentifier("\(row.id).renew")
        Button("Delete", role: .destructive) { screen.delete(row.id) }
          .disabled(!row.canDelete).accessibilityIdentifier("\(row.id).delete")
      }
      .buttonStyle(.bordered)
      .font(.footnote)
      ProgressView().opacity(row.isBusy ? 1 : 0)
    }
    .padding(.vertical, 4)
  }
}
