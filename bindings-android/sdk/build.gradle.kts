plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
    alias(libs.plugins.dokka)
}

val repository = rootDir.parentFile

android {
    namespace = "dev.larder"
    compileSdk = 35

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    sourceSets {
        // What scripts/generate-bindings writes, and what scripts/build-android links.
        getByName("main") {
            java.srcDirs("src/main/kotlin", "target/generated/kotlin")
            jniLibs.srcDir("target/jniLibs")
        }
        getByName("test") {
            java.srcDirs("src/test/kotlin", "src/test/java")
            // Stand-ins for what Gradle gets as AARs; what Android's own lint says here.
            java.filter.exclude("androidx/**", "**/OldestAndroidTest.kt", "**/PublicApiTest.kt", "**/Api24.kt")
        }
    }

    testOptions.unitTests {
        isIncludeAndroidResources = false
        all { test ->
            test.useJUnitPlatform()
            test.systemProperty("larder.repository", repository.path)
            test.systemProperty("larder.target", repository.resolve("target/debug").path)
            test.systemProperty("jna.library.path", repository.resolve("target/debug").path)
            // One level in a JVM: the native library knows one set of callbacks. Maven runs the others, too.
            test.systemProperty("robolectric.enabledSdks", "35")
        }
    }

    publishing.singleVariant("release") { withSourcesJar() }
}

kotlin {
    explicitApi()
    jvmToolchain(17)
}

// Every way to a build leads over the generated sources.
val generateBindings by tasks.registering(Exec::class) {
    workingDir = repository
    commandLine("scripts/generate-bindings", "kotlin")
    inputs.files(repository.resolve("udl/src/larder.udl"), repository.resolve("Cargo.lock"))
    outputs.dir("target/generated/kotlin")
}

tasks.named("preBuild") { dependsOn(generateBindings) }

dependencies {
    implementation(libs.coroutines)
    // The AAR has Android's native half, the JAR a desktop's: tests on the JVM need that one.
    implementation(libs.jna) { artifact { type = "aar" } }
    testImplementation(libs.jna)
    testImplementation(libs.junit4)
    testImplementation(libs.junit5)
    testImplementation(libs.junit5.launcher)
    testRuntimeOnly(libs.junit5.vintage)
    testImplementation(libs.robolectric)
    androidTestImplementation(libs.androidx.test.runner)
}
