plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "dev.larder.sample"
    compileSdk = 35

    defaultConfig {
        minSdk = 24
        targetSdk = 35
        versionCode = 1
        versionName = "0.1.0"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    sourceSets {
        getByName("main") { java.srcDirs("src/main/kotlin") }
        getByName("test") {
            java.srcDirs(
                "src/test/kotlin",
                "src/sharedTest/kotlin",
                "../bindings-android/sdk/src/test/kotlin/dev/larder/support",
            )
            java.filter.exclude("**/Api24.kt")
        }
        // The same steps on the screen, on a device.
        getByName("androidTest") {
            java.srcDirs("src/androidTest/kotlin", "src/sharedTest/kotlin")
            assets.srcDir("../testkit/media")
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
        }
    }
}

kotlin { jvmToolchain(17) }

dependencies {
    implementation(project(":sdk"))
    implementation(project(":media3"))
    implementation(libs.coroutines)
    implementation(libs.media3.exoplayer.dash)
    implementation(libs.media3.exoplayer.hls)
    testImplementation(libs.jna)
    testImplementation(libs.junit4)
    testImplementation(libs.robolectric)
    androidTestImplementation(libs.androidx.test.runner)
    androidTestImplementation(libs.junit4)
}
